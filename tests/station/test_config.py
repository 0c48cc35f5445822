"""What a configuration may say, and what is said of one that is wrong."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.core.profile import CardProfile
from kfasync.crypto.openssl import OpensslAes
from kfasync.errors import ConfigError
from kfasync.secret import Secret
from kfasync.station.config import (
    TEMPLATE,
    ContainersSection,
    CryptoSection,
    KlmsSection,
    LaneSection,
    ProviderSection,
    StationConfig,
    StationSection,
    load,
)
from kfasync.station.keys import KeysSection
from kfasync.station.pin import hash_pin
from kfasync.station.web import WebSection

ENC = "8b4b8d7ec45dfa503a35f6df8f6bbdd9"
MAC = "42fd95e83821260c5b90463af7996313"
DEK = "1b988a47ac94632f7020734ca172eed8"
KEYS = KeysSection(Secret.from_hex(ENC), Secret.from_hex(MAC), Secret.from_hex(DEK))
HERE = Path()
PROVIDER = "kind|library|sha256|in_process|deadline_s|config|url|ca|certificate|key|ttl_s"
PROVIDED = f"""[station]
id = "E"
[source]
kind = "provider"
library = "/lib.so"
sha256 = "{64 * "a"}"
"""


def parse(text: str) -> StationConfig:
    return StationConfig.parse(text, HERE, "F")


def keys_in(text: str) -> KeysSection:
    source = parse(text).source
    assert isinstance(source, ContainersSection)
    return source.keys


def edited(old: str, new: str) -> str:
    assert TEMPLATE.count(old) == 1, old
    return TEMPLATE.replace(old, new)


# ----------------------------------------------------------------------------------- it is right


def test_the_template_says_what_the_defaults_are() -> None:
    assert parse(TEMPLATE) == StationConfig(
        station=StationSection("EOL-01", "var", 10.0),
        source=ContainersSection("fixtures/containers", "fixtures/certificates", KEYS),
        card=CardProfile(),
        lane=(),
        crypto=CryptoSection("auto"),
    )


def test_what_the_template_comments_out_is_the_default_too() -> None:
    commented = rf"(?m)^# (?!(?:kcv|reader|{PROVIDER})\b)(\w+ = )"
    text = TEMPLATE[: TEMPLATE.index("# [web]")]
    assert len(re.findall(commented, text)) == 10
    whole, plain = parse(re.sub(commented, r"\1", text)), parse(text)
    assert whole.station == plain.station
    assert whole.crypto == plain.crypto
    assert whole.card.plan == plain.card.plan
    for field in set(CardProfile.__struct_fields__) - {"block_size"}:
        assert getattr(whole.card, field) == getattr(plain.card, field), field


def test_the_template_shows_a_provider_with_its_defaults() -> None:
    at = TEMPLATE.index("# [source]")
    block = TEMPLATE[at : TEMPLATE.index("\n\n", at)].replace("\n# ", "\n").removeprefix("# ")
    assert parse(f'[station]\nid = "E"\n{block}'.replace('"..."', f'"{64 * "0"}"')).source == (
        ProviderSection("/opt/vendor/libprovider.so", 64 * "0")
    )


def test_the_template_shows_a_page_with_its_defaults() -> None:
    block = TEMPLATE[TEMPLATE.index("# [web]") :].replace("\n# ", "\n").removeprefix("# ")
    pin = hash_pin("123456")
    block = block.replace('lead_pin = "..."', f'lead_pin = "{pin}"')
    web = parse(TEMPLATE + block.replace('"..."', f'"{64 * "0"}"')).web
    assert web == WebSection(
        names=("eol-01.example",),
        certificate="pki/page.pem",
        key="pki/page.key",
        token=Secret(bytes(32)),
        lead_pin=pin,
    )
    assert parse(TEMPLATE).web is None


def test_the_template_shows_a_key_server_with_its_defaults() -> None:
    at = TEMPLATE.rindex("# [source]")
    block = TEMPLATE[at : TEMPLATE.index("\n\n", at)].replace("\n# ", "\n").removeprefix("# ")
    whole = parse(f'[station]\nid = "E"\n{block}').source
    section = KlmsSection(
        "https://klms.example:8443", "pki/ca.pem", "pki/EOL-01.pem", "pki/EOL-01.key"
    )
    assert isinstance(whole, KlmsSection)
    assert whole.ttl_s == 5  # which is what the reference server gives
    assert msgspec.structs.replace(whole, ttl_s=None) == section


KEY_SERVER = """[station]
id = "E"
[source]
kind = "klms"
url = "https://klms"
ca = "ca.pem"
certificate = "E.pem"
key = "E.key"
"""


@pytest.mark.parametrize("url", ["https://klms", "https://klms:8443/", "https://[::1]:8443"])
def test_where_a_key_server_can_be(url: str) -> None:
    source = parse(KEY_SERVER.replace("https://klms", url)).source
    assert isinstance(source, KlmsSection)
    assert source.url == url


@pytest.mark.parametrize(
    ("old", "new", "key", "line", "sentence"),
    [
        *(
            ("https://klms", url, "source.url", 5, "is not https://HOST or https://HOST:PORT")
            for url in (
                "http://klms",
                "klms:8443",
                "https://",
                "https://klms/v1",
                "https://klms?x",
                "https://u:p@klms",
                "https://klms:port",
                "https://klms:0",
                "https://[klms",
                "https://klöms",
            )
        ),
        ("ca =", "ttl_s = 0\nca =", "source.ttl_s", 6, "ttl_s 0 is not from 3 to 3600"),
        ("ca =", "deadline_s = 0.0\nca =", "source.deadline_s", 6, "not above 0 and up to 600"),
        ("ca =", "pool = 1\nca =", "source.pool", 6, "known here: url, ca, certificate, key"),
        ('key = "E.key"\n', "", "source.key", 3, "missing required field `key`"),
    ],
)
def test_what_is_wrong_with_a_key_server_is_named_with_its_line(
    old: str, new: str, key: str, line: int, sentence: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(KEY_SERVER.replace(old, new, 1))
    assert (raised.value.key, str(raised.value).partition(":")[0]) == (key, f"F line {line}")
    assert sentence in str(raised.value)


def test_the_keys_of_a_provider_are_not_in_the_configuration() -> None:
    with pytest.raises(ConfigError, match="keys of a simulated fob are those of") as raised:
        parse(PROVIDED).key_set()
    assert raised.value.key == "source.kind"


def test_lanes_are_kept_in_their_order() -> None:
    text = TEMPLATE + '[[lane]]\nreader = "B"\n[[lane]]\nreader = "A"\n'
    assert parse(text).lane == (LaneSection("B"), LaneSection("A"))


SCOUT = '[[lane]]\nreader = "S"\nscout = true\n'


def test_a_scout_has_no_lane() -> None:
    config = parse(TEMPLATE + '[[lane]]\nreader = "A"\n' + SCOUT)
    assert (config.lanes, config.scouts) == (("A",), ("S",))
    assert parse(TEMPLATE + SCOUT).lanes == ()  # every other reader


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (SCOUT.replace('"S"', '"simulated"'), "scout = true is for a real reader"),
        (SCOUT, "scout = true needs a UID that can be read without a session"),
    ],
)
def test_where_a_scout_can_read_nothing_it_is_refused(text: str, sentence: str) -> None:
    other = TEMPLATE.replace('# uid_source = "get-data"', 'uid_source = "key-diversification-data"')
    with pytest.raises(ConfigError, match=sentence) as refused:
        parse(other + text)
    assert refused.value.key.endswith("scout")


@pytest.mark.parametrize("size", [16, 24, 32])
def test_keys_have_the_check_values_that_were_given_or_their_own(size: int) -> None:
    keys = "".join(f'{name} = "{"40" * size}"\n' for name in ("enc", "mac", "dek"))
    text = TEMPLATE[: TEMPLATE.index("enc = ")] + keys
    computed = keys_in(text).key_set(7, OpensslAes())
    assert (computed.kvn, len(computed.enc)) == (7, size)
    assert computed.kcv.enc == computed.kcv.mac == computed.kcv.dek
    text += 'kcv = { enc = "0000AA", mac = "0000bb", dek = "0000CC" }\n'
    given_values = keys_in(text).key_set(7, OpensslAes()).kcv
    assert (given_values.enc, given_values.mac) == (b"\0\0\xaa", b"\0\0\xbb")


def test_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "line").mkdir()
    (tmp_path / "line" / "station.toml").write_text(TEMPLATE)
    monkeypatch.chdir(tmp_path)
    loaded = load(Path("line/station.toml"))
    monkeypatch.chdir("/")
    assert loaded.resolve("var") == tmp_path / "line" / "var"
    assert loaded.resolve("/var") == Path("/var")


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    digests = set()
    for text in (TEMPLATE, TEMPLATE + "\n", TEMPLATE):
        (tmp_path / "station.toml").write_text(text)
        digests.add(load(tmp_path / "station.toml").sha256)
    assert len(digests) == 2


# ----------------------------------------------------------------------------------- it is wrong

KCV = '# kcv = { enc = "...", mac = "...", dek = "..." } '
POST = '# post_personalization = ["00DB0000030A0101", "00DB0000030B0101"]'
TIMEOUT = "# card_timeout_s = 10.0 "
WRONG = [
    ('id = "EOL-01" ', 'id = " " ', "station.id", 4, "names this station"),
    ('id = "EOL-01" ', "id = 1 ", "station.id", 4, "Expected `str`, got `int`"),
    ('id = "EOL-01" ', "# ", "station.id", 3, "missing required field `id`"),
    ('id = "EOL-01" ', 'id = "E"\nx = 1 ', "station.x", 5, "known here: id, data_dir, card"),
    ("[station]", "[stations]", "stations", 3, "known here: station, source, card"),
    ('data_dir = "var" ', "data_dir = 5 ", "station.data_dir", 5, "Expected `str`"),
    *(
        (TIMEOUT, f"card_timeout_s = {value} ", "station.card_timeout_s", 6, "not above 0")
        for value in ("0", "-1.0", "601", "nan", "inf")
    ),
    (TIMEOUT, 'card_timeout_s = "10" ', "station.card_timeout_s", 6, "Expected `float`"),
    ('aid = "A000000857"', 'aid = "A0"', "card.aid", 9, "has 1 bytes, not 5 to 16"),
    ('aid = "A000000857"', 'aid = "A00000085X"', "card.aid", 9, "is not hex digits"),
    ('aid = "A000000857"', "aid = 5", "card.aid", 9, "Expected `str`"),
    ("key_version = 255 ", "key_version = 256 ", "card.key_version", 10, "not 0 to 255"),
    ("key_version = 255 ", "key_version = -1 ", "card.key_version", 10, "not 0 to 255"),
    ("key_version = 255 ", 'key_version = "255" ', "card.key_version", 10, "Expected `int`"),
    ("key_version = 255 ", "kvn = 255 ", "card.kvn", 10, "known here: name, aid"),
    ('_level = "01" ', '_level = "02" ', "card.security_level", 11, "one of 01, 03, 11, 13, 33"),
    ('_level = "01" ', "_level = 1 ", "card.security_level", 11, "choose one of 01"),
    ('scp03_mode = "S8" ', 'scp03_mode = "S4" ', "card.scp03_mode", 12, "one of S8, S16"),
    ('layout = "auto" ', 'layout = "seed" ', "card.layout", 13, "one of auto, gp, rev3"),
    ("# block_size = 245 ", "block_size = 248 ", "card.block_size", 14, "above 247"),
    ("# block_size = 245 ", "block_size = -1 ", "card.block_size", 14, "block_size -1"),
    ('# store_data_p1 = "00" ', 'store_data_p1 = "0000" ', "card.store_data_p1", 15, "2 bytes"),
    ('# store_data_last_p1 = "80"', 'store_data_last_p1 = "8"', "card.store_data_last_p1", 16, ""),
    ('# uid_source = "get-data" ', 'uid_source = "atr" ', "card.uid_source", 17, "cplc"),
    ('# uid_padding = "raw" ', 'uid_padding = "none" ', "card.uid_padding", 18, "left"),
    ('# challenge_aid = "" ', 'challenge_aid = "0" ', "card.challenge_aid", 20, "not hex digits"),
    (POST, 'post_personalization = ["00DB"]', "card.post_personalization", 21, "4 to 261"),
    (POST, 'post_personalization = "00DB0000"', "card.post_personalization", 21, "`array`"),
    ("# [[lane]] ", "[[lane]] ", "lane.0.reader", 23, "missing required field `reader`"),
    ("# [[lane]] ", "[[lane]]\nreader = 5 ", "lane.0.reader", 24, "Expected `str`"),
    ("# [[lane]] ", '[[lane]]\nreader = "A"\nslot = 1 ', "lane.0.slot", 25, "known here: reader"),
    (
        "# [[lane]] ",
        '[[lane]]\nreader = "A"\n[[lane]]\nreader = 5 ',
        "lane.1.reader",
        26,
        "Expected `str`",
    ),
    ("# [[lane]] ", '[lane]\nreader = "A" ', "lane", 23, "Expected `array`"),
    ('kind = "containers"', 'kind = "usb"', "source.kind", 27, "choose one of containers"),
    ('path = "fixtures/containers" ', "path = 1 ", "source.path", 28, "Expected `str`"),
    ('path = "fixtures/containers" ', "# ", "source.path", 26, "missing required field"),
    ("[source.keys]", "[keys]", "source.keys", 26, "missing required field `keys`"),
    (f'enc = "{ENC}"', f'enc = "{ENC[:-2]}"', "source.keys", 31, "not all 16, all 24 or all 32"),
    (f'dek = "{DEK}"', 'dek = ""', "source.keys", 31, "not all 16, all 24 or all 32"),
    (f'enc = "{ENC}"', f'enc = "{ENC[:-2]}xx"', "source.keys.enc", 32, "32 characters that are"),
    (f'enc = "{ENC}"', "enc = 8", "source.keys.enc", 32, "hex digits in quotes"),
    (f'enc = "{ENC}"', f'enc = ["{ENC}"]', "source.keys.enc", 32, "hex digits in quotes"),
    (f'enc = "{ENC}"', "", "source.keys.enc", 31, "missing required field"),
    (KCV, 'kcv = { enc = "x", mac = "000000", dek = "000000" } ', "source.keys.kcv.enc", 35, "six"),
    (KCV, 'kcv = { enc = "000000", mac = "000000" } ', "source.keys.kcv.dek", 35, "missing"),
    (KCV, 'kcv = "000000" ', "source.keys.kcv", 35, "Expected `object"),
    ('path = "auto" ', 'path = "fast" ', "crypto.path", 55, "one of auto, native, native-"),
    ("[crypto]", "[crypto]\nx = 1", "crypto.x", 55, "known here: path"),
    ("[crypto]", "[wed]", "wed", 54, "known here: station, source"),
]


@pytest.mark.parametrize(
    ("old", "new", "key", "line", "sentence"), WRONG, ids=[f"{row[2]}-{row[1]}" for row in WRONG]
)
def test_what_is_wrong_is_named_with_its_line(
    old: str, new: str, key: str, line: int, sentence: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(edited(old, new))
    assert raised.value.key == key
    assert str(raised.value).startswith(f"F line {line}: {key}: ")
    assert sentence in str(raised.value)
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("old", "new", "key", "line", "sentence"),
    [
        ("/lib.so", "lib.so", "source.library", 5, "library 'lib.so' is not an absolute path"),
        ('"aa', '"a', "source.sha256", 6, "sha256 is not 64 hex digits"),
        ('"/lib.so"', "1", "source.library", 5, "Expected `str`"),
        (
            "sha256 =",
            "deadline_s = 0.0\nsha256 =",
            "source.deadline_s",
            6,
            "not above 0 and up to 600",
        ),
        ("sha256 =", "path = '.'\nsha256 =", "source.path", 6, "known here: library, sha256, in_"),
        ('library = "/lib.so"\n', "", "source.library", 3, "missing required field `library`"),
        ('"provider"', '"usb"', "source.kind", 4, "choose one of containers, provider, klms"),
    ],
)
def test_what_is_wrong_with_a_provider_is_named_with_its_line(
    old: str, new: str, key: str, line: int, sentence: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(PROVIDED.replace(old, new, 1))
    assert (raised.value.key, str(raised.value).partition(":")[0]) == (key, f"F line {line}")
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("[crypto]", "[crypto", "line 54"),
        ('data_dir = "var" ', 'id = "x" ', "Cannot overwrite a value"),
        (f'enc = "{ENC}"', f"enc = {ENC}", "line 32"),
    ],
)
def test_what_is_not_toml_is_said_with_its_line(old: str, new: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=f"^F: not TOML: .*{sentence}") as raised:
        parse(edited(old, new))
    assert raised.value.key == ""
    assert ENC not in str(raised.value)


# ---------------------------------------------------------------------------------- other files


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "No such file.*kfasync config template"),
        (b"\xff\xfe", "is not UTF-8 text; save it as UTF-8"),
        ("[station]\nid='x'".encode("utf-16"), "is not UTF-8 text; save it as UTF-8"),
        ("", "is empty; make one with `kfasync config template`"),
        ("\ufeff# nothing", "missing required field `station`"),
        ("directory", "Is a directory"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(
    tmp_path: Path, content: bytes | str | None, sentence: str
) -> None:
    path = tmp_path / "station.toml"
    if content == "directory":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=f"{re.escape(str(path))}.*{sentence}") as raised:
        load(path)
    assert raised.value.exit_code == 2


def with_profile(directory: Path, profile: str | None, card: str = "") -> StationConfig:
    if profile is not None:
        (directory / "card.toml").write_text(profile)
    head, tail = TEMPLATE.index("[card]"), TEMPLATE.index("[source]")
    text = f'{TEMPLATE[:head]}[card]\nprofile = "card.toml"\n{card}{TEMPLATE[tail:]}'
    return StationConfig.parse(text, directory, "F")


def test_a_profile_may_be_a_file_of_its_own(tmp_path: Path) -> None:
    config = with_profile(tmp_path, 'name = "other"\nkey_version = 0\nsecurity_level = "33"\n')
    assert (config.card.name, config.card.key_version) == ("other", 0)
    assert config.card.plan.block_size == 239


@pytest.mark.parametrize(
    ("profile", "card", "key", "sentence"),
    [
        ("", "key_version = 1\n", "card.key_version", "line 10: card.key_version stands beside"),
        (None, "", "", r"card profile .*card.toml cannot be read \(No such file"),
        (
            "key_version = 999\n",
            "",
            "key_version",
            r"toml line 1: key_version: .*not 0 to 255",
        ),
        ("\nkvn = 1\n", "", "kvn", r"card.toml line 2: kvn: .*known here: name"),
        ("[x", "", "card.profile", r"card.toml: not TOML"),
    ],
)
def test_a_profile_that_is_wrong_is_named(
    tmp_path: Path, profile: str | None, card: str, key: str, sentence: str
) -> None:
    with pytest.raises(ConfigError, match=sentence) as raised:
        with_profile(tmp_path, profile, card)
    assert raised.value.key == key


def test_a_profile_is_the_name_of_a_file() -> None:
    head, tail = TEMPLATE.index("[card]"), TEMPLATE.index("[source]")
    with pytest.raises(ConfigError, match=r"card\.profile is not the name of a file"):
        parse(f"{TEMPLATE[:head]}[card]\nprofile = 5\n{TEMPLATE[tail:]}")


# ------------------------------------------------------------------------------------- no secret


# Hex of another length than a key has, and any text with a character that no message has.
wrong_keys = st.one_of(
    st.text("0123456789abcdefABCDEF", min_size=9).filter(lambda text: len(text) != len(ENC)),
    st.text(st.characters(exclude_characters='"\\', exclude_categories=["C"])).map(
        "\u00a7".__add__
    ),
)


@given(key=st.sampled_from([ENC, MAC, DEK]), text=wrong_keys)
def test_no_error_repeats_a_key(key: str, text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(edited(f'"{key}"', f'"{text}"'))
    said = f"{raised.value} {raised.value!r}"
    assert not {one for one in (text, ENC, MAC, DEK) if one in said}


def test_a_configuration_shows_no_key() -> None:
    shown = repr(parse(TEMPLATE))
    assert not {key for key in (ENC, MAC, DEK) if key in shown}


@pytest.mark.parametrize(
    "line",
    [
        '8b4b8d7ec45dfa503a35f6df8f6bbdd9 = "enc"',
        '"8b4b8d7ec45dfa503a35f6df8f6bbdd9" = 1',
        "8b4b8d7ec45dfa503a35f6df8f6bbdd9",
        "[8b4b8d7ec45dfa503a35f6df8f6bbdd9]\n[8b4b8d7ec45dfa503a35f6df8f6bbdd9]",
    ],
)
@pytest.mark.parametrize("table", ["[source.keys]", "[card]", "[station]"])
def test_a_key_that_was_written_as_the_name_of_a_key_is_not_repeated(line: str, table: str) -> None:
    text = TEMPLATE.replace(table, f"{table}\n{line}" if line[0] != "[" else f"{line}\n{table}")
    with pytest.raises(ConfigError) as caught:
        StationConfig.parse(text, Path(), "station.toml")
    assert "8b4b8d7e" not in str(caught.value)
    assert "8b4b8d7e" not in caught.value.key

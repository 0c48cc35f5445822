"""Nothing of an answer is believed: what is wrong with it, and that nothing of it is left."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.contracts.klms import SUITE, canonical, info
from kfasync.core.dgi import Dgi
from kfasync.crypto.choose import available, choose
from kfasync.errors import KlmsError
from kfasync.klms.kdf3 import Kdf3, UidPadding
from kfasync.klms.seal import key_block, recipient_key, seal
from kfasync.model import KeySet
from kfasync.secret import Secret
from kfasync.sources.klms.content import lease_id_of, open_offer, read_offer
from kfasync.sources.klms.seal import RecipientKey
from tests.klms.world import MASTER, make_pieces
from tests.sources.klms.world import PATH, STATION

URL = "https://klms:8443"
UID = bytes.fromhex("04A1B2C3D4E5F6")
PIECE, OTHER = make_pieces(2)
RECIPIENT = RecipientKey()
KEYS = Kdf3(MASTER, kvn=255, padding=UidPadding.RAW, length_field=True).derive(UID)


def plain() -> dict[str, Any]:
    kcv = msgspec.structs.asdict(KEYS.kcv)
    items = {
        "A001": PIECE.spid.encode(),
        "A002": PIECE.device_certificate,
        "A004": b"ica",
        "A005": b"root",
    }
    return {
        "lease_id": "l-1",
        "uid": UID.hex().upper(),
        "ttl_s": 5,
        "server_time": "2026-03-02T08:15:30Z",
        "keyset": {"kvn": 255, "kcv": {name: kcv[name].hex().upper() for name in kcv}},
        "container": {
            "fesn": PIECE.fesn,
            "spid": PIECE.spid,
            "items": [
                {"dgi": dgi, "data": msgspec.to_builtins(data)} for dgi, data in items.items()
            ],
        },
    }


def body(
    table: dict[str, Any] | None = None,
    block: Secret | None = None,
    *,
    station: str = STATION,
    suite: str = SUITE,
) -> bytes:
    table = table or plain()
    block = block or key_block(KEYS, PIECE.scalar, PIECE.irk)
    bound = info("l-1", UID, station, canonical(table))
    sealed = msgspec.structs.replace(
        seal(block, recipient_key(RECIPIENT.public), bound), suite=suite
    )
    return msgspec.json.encode(table | {"sealed": sealed})


def opened(content: bytes, path: str = PATH) -> Any:
    return open_offer(URL, read_offer(URL, content, UID), RECIPIENT, UID, STATION, choose(path))


def code_of(content: bytes) -> tuple[str, str]:
    with pytest.raises(KlmsError) as caught:
        opened(content)
    return caught.value.code, str(caught.value)


@pytest.mark.parametrize("path", available())
def test_a_good_answer_gives_content_and_keys(path: str) -> None:
    found = opened(body(), path)
    assert found.content.fesn == PIECE.fesn
    assert found.keys == KEYS
    assert [item.dgi for item in found.items] == [
        Dgi.PRIVATE_KEY, Dgi.SPID, Dgi.DEVICE_CERTIFICATE, Dgi.ICA, Dgi.CMS_ROOT, Dgi.IRK,
    ]  # fmt: skip
    assert found.items[0].value == PIECE.scalar
    assert found.items[-1].value == PIECE.irk
    assert len(found.secrets) == 5


def test_what_a_later_version_adds_is_read_past_and_covered() -> None:
    table = plain()
    table["policy"] = {"z": 1, "a": [1, 2]}
    table["container"]["label"] = "new"
    assert opened(body(table)).content.fesn == PIECE.fesn
    moved = json.loads(body(table))
    moved["policy"]["z"] = 2
    assert code_of(json.dumps(moved).encode())[0] == "seal-broken"


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda table: table.pop(name)


def items(change: Callable[[list[dict[str, str]]], object]) -> Callable[[dict[str, Any]], None]:
    return lambda table: (change(table["container"]["items"]), None)[1]


def put(*names: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(table: dict[str, Any]) -> None:
        for name in names[:-1]:
            table = table[name]
        table[names[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        (without("keyset"), "answer-malformed", ""),
        (put("uid", value="04"), "answer-malformed", "$.uid is not as the schema has it"),
        (put("ttl_s", value=-1), "answer-malformed", "$.ttl_s"),
        (put("ttl_s", value="5"), "answer-malformed", "$.ttl_s"),
        (put("lease_id", value="no/name"), "answer-malformed", "$.lease_id"),
        (put("keyset", "kcv", "mac", value="12"), "answer-malformed", "$.keyset.kcv.mac"),
        (put("container", "fesn", value="1KM"), "answer-malformed", "$.container.fesn"),
        (put("uid", value="04A1B2C3D4E5F7"), "lease-for-another-unit", ""),
        (put("container", "spid", value="0" * 40), "answer-malformed", "another SPID in DGI A001"),
        (put("container", "fesn", value=OTHER.fesn), "key-block-malformed", "CN is not the FESN"),
        (put("keyset", "kcv", "mac", value="000000"), "key-block-malformed", "static key MAC"),
        (items(lambda all_: all_.pop(1)), "key-block-malformed", "no DGI A002"),
        (items(lambda all_: all_.append(all_[0])), "answer-malformed", "DGI A001 twice"),
        (
            items(lambda all_: all_.append({"dgi": "A003", "data": "AAAA"})),
            "answer-malformed",
            "DGI A003 in the clear",
        ),
        (
            items(lambda all_: all_[1].update(data="AAAA")),
            "key-block-malformed",
            "a device certificate that is not one in DER",
        ),
    ],
)
def test_a_plain_part_that_is_wrong(
    change: Callable[[dict[str, Any]], None], code: str, words: str
) -> None:
    table = plain()
    change(table)
    found, sentence = code_of(body(table))
    assert found == code
    assert words in sentence
    assert sentence.startswith(f"key server {URL}: ")


def other_keys(**keys: Secret) -> KeySet:
    return msgspec.structs.replace(KEYS, **keys)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        (key_block(KEYS, OTHER.scalar, PIECE.irk), "of another key than the scalar"),
        (key_block(KEYS, Secret(bytes(32)), PIECE.irk), "a scalar that is none of P-256"),
        (key_block(KEYS, PIECE.scalar, Secret(b"short")), "tag 11 has 5 bytes"),
        (key_block(other_keys(enc=KEYS.mac), PIECE.scalar, PIECE.irk), "static key ENC"),
        (key_block(other_keys(enc=Secret(bytes(16))), PIECE.scalar, PIECE.irk), "length"),
        (Secret(b"\x01"), "cut short"),
    ],
)
def test_a_key_block_that_is_wrong(block: Secret, words: str) -> None:
    code, sentence = code_of(body(block=block))
    assert code == "key-block-malformed"
    assert words in sentence


def test_a_seal_for_somebody_else() -> None:
    assert code_of(body(station="EOL-02"))[0] == "seal-broken"
    assert code_of(body(suite="another"))[0] == "seal-broken"
    moved = json.loads(body())
    moved["lease_id"] = "l-2"
    assert code_of(json.dumps(moved).encode())[0] == "seal-broken"
    moved = json.loads(body())
    moved["sealed"]["enc"] = moved["sealed"]["enc"].replace("B", "C", 1)
    assert code_of(json.dumps(moved).encode())[0] == "seal-broken"


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(content: bytes) -> None:
    assert code_of(content)[0] == "answer-malformed"


@pytest.mark.parametrize(
    "bomb",
    [b"[" * 60_000, b'{"a":' * 10_000, b"9" * 60_000, b'{"ttl_s":' + b"9" * 50_000 + b"}", b"null"],
    ids=["lists", "objects", "a number", "a long number", "null"],
)
def test_json_bombs_are_refused(bomb: bytes) -> None:
    assert code_of(bomb)[0] == "answer-malformed"


def test_a_member_given_twice_is_read_once() -> None:
    """What was checked is what is used: both sides see the last one."""
    twice = body().replace(b'{"lease_id"', b'{"uid":"04000000000000","lease_id"', 1)
    assert opened(twice).content.fesn == PIECE.fesn


def test_no_secret_of_a_refused_answer_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    path = choose(PATH)
    given_: list[Secret] = []
    make = path.vault.secret

    def keep(size: int) -> Secret:
        given_.append(make(size))
        return given_[-1]

    monkeypatch.setattr(path.vault, "secret", keep)
    monkeypatch.setattr("tests.sources.klms.test_content.choose", lambda name: path)
    code_of(body(block=key_block(KEYS, OTHER.scalar, PIECE.irk)))
    assert len(given_) > 6
    assert not any(any(secret.expose()) for secret in given_)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'{"lease_id":"l-1","more":[]}', "l-1"),
        (b'{"lease_id":"l/1"}', None),
        (b'{"lease_id":1}', None),
        (b"{}", None),
        (b"[]", None),
        (b"null", None),
        (b"[" * 60_000, None),
        (b"", None),
    ],
)
def test_which_lease_an_answer_speaks_of(content: bytes, name: str | None) -> None:
    assert lease_id_of(content) == name

"""What every crypto path keeps to, whatever it is made of."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.contracts.crypto import Aes, CryptoPath
from kfasync.core.profile import CardProfile, Level
from kfasync.crypto.choose import choose
from kfasync.errors import ChannelError, CryptogramError, KeyCheckError, ResponseMacError
from kfasync.model import Layout, Opening, Scp03Mode, SecurityLevel
from kfasync.secret import Secret
from kfasync.sim.applet import Lifecycle
from kfasync.sim.fob import SimulatedFob
from tests.core.hand import ITEMS, KEYS, STORED, UID, Attempt
from tests.paths import PATHS, each_aes, each_path

OK = b"\x90\x00"
KEY_BYTES = b"\x5a\xa5\xc3" * 5 + b"\x3c"

# A session with a card whose challenge is random: i = 60, key version 255.
OPENING = Opening(
    host_challenge=bytes.fromhex("A5C3E1F00F1E3C5A"),
    answer=b"",
    key_version=255,
    security_level=SecurityLevel.C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION,
    scp03_mode=Scp03Mode.S8,
    layouts=(Layout.GP,),
    aid=bytes.fromhex("A000000857"),
)


def opening(bits: int = 128, challenge: bytes = bytes(8)) -> Opening:
    fob = SimulatedFob(uid=UID, keys=KEYS[bits], i_param=0x60, random=lambda _: challenge)
    fob.transmit(bytes.fromhex("00A4040005A00000085700"))
    answer = fob.transmit(bytes.fromhex("80500000 08") + OPENING.host_challenge + b"\0")
    return msgspec.structs.replace(OPENING, answer=answer[:-2])


# ------------------------------------------------------------------ a whole fob, every way


@each_path
@pytest.mark.parametrize("layout", Layout, ids=lambda layout: str(layout.value))
@pytest.mark.parametrize("level", Level, ids=lambda level: str(level.value))
@pytest.mark.parametrize("bits", [128, 192, 256])
@pytest.mark.parametrize("mode", Scp03Mode, ids=lambda mode: str(mode.value))
def test_a_fob_is_provisioned(
    path: CryptoPath, mode: Scp03Mode, bits: int, level: Level, layout: Layout
) -> None:
    fob = SimulatedFob(uid=UID, keys=KEYS[bits], scp03_mode=mode, layout=layout)
    profile = CardProfile(security_level=level, scp03_mode=mode)
    state = Attempt(fob, profile, path=path, keys=KEYS[bits]).passed().state
    assert state.facts is not None
    assert state.facts.layout is layout
    assert fob.lifecycle is Lifecycle.FACTORY
    assert fob.personalizations == 1
    assert {dgi: bytes(value.expose()) for dgi, value in fob.stored.items()} == STORED


@given(
    st.sampled_from(sorted(KEYS)),
    st.binary(min_size=8, max_size=8),
    st.lists(st.binary(max_size=255), max_size=4),
)
def test_every_path_says_the_same_to_the_same_card(
    bits: int, challenge: bytes, data: list[bytes]
) -> None:
    asked = opening(bits, challenge)
    plain = [
        bytes.fromhex("80E20000") + (bytes((len(field),)) + field if field else b"")
        for field in data
    ]
    said = []
    for path in PATHS:
        channel = path.load(KEYS[bits]).open_session(asked)
        said.append([channel.external_authenticate, *channel.wrap(plain)])
    assert all(commands == said[0] for commands in said)


# ----------------------------------------------------------------------------- slot, channel


@each_path
def test_a_path_has_the_name_it_is_chosen_by(path: CryptoPath) -> None:
    assert choose(path.name).name == path.name


@each_path
@pytest.mark.parametrize("part", ["enc", "mac", "dek"])
def test_a_key_without_its_check_value_is_not_taken_in(path: CryptoPath, part: str) -> None:
    kcv = msgspec.structs.replace(KEYS[128].kcv, **{part: bytes(3)})
    with pytest.raises(KeyCheckError, match=part.upper()):
        path.load(msgspec.structs.replace(KEYS[128], kcv=kcv))


@each_path
def test_a_wiped_slot_opens_no_session(path: CryptoPath) -> None:
    slot = path.load(KEYS[128])
    slot.wipe()
    slot.wipe()
    with pytest.raises(ValueError, match="wiped"):
        slot.open_session(opening())


@each_path
def test_a_wiped_slot_ends_its_session(path: CryptoPath) -> None:
    slot = path.load(KEYS[128])
    channel = slot.open_session(opening())
    slot.wipe()
    with pytest.raises(ChannelError, match="dead"):
        channel.wrap([])


@each_path
def test_another_session_ends_the_one_before(path: CryptoPath) -> None:
    slot = path.load(KEYS[128])
    first, second = slot.open_session(opening()), slot.open_session(opening())
    with pytest.raises(ChannelError, match="dead"):
        first.wrap([])
    first.close()
    assert len(second.wrap([bytes.fromhex("80CA9F7F00")])) == 1


@each_path
def test_a_whole_fob_at_once_is_the_same_as_its_steps(path: CryptoPath) -> None:
    slot, asked, plan = path.load(KEYS[128]), opening(), CardProfile().plan
    channel, commands = slot.open_and_wrap(asked, ITEMS, plan)
    whole = [channel.external_authenticate, *commands]
    channel = slot.open_session(asked)
    assert [channel.external_authenticate, *channel.wrap_store_data(ITEMS, plan)] == whole


@each_path
def test_the_caller_may_wipe_the_keys_that_it_gave(path: CryptoPath) -> None:
    given_keys = msgspec.structs.replace(
        KEYS[128],
        enc=Secret(KEYS[128].enc.expose()),
        mac=Secret(KEYS[128].mac.expose()),
        dek=Secret(KEYS[128].dek.expose()),
    )
    slot = path.load(given_keys)
    for key in (given_keys.enc, given_keys.mac, given_keys.dek):
        key.wipe()
    asked = opening()
    expected = path.load(KEYS[128]).open_session(asked).external_authenticate
    assert slot.open_session(asked).external_authenticate == expected


@each_path
def test_other_keys_are_found_out(path: CryptoPath) -> None:
    with pytest.raises(CryptogramError):
        path.load(KEYS[192]).open_session(opening(128))


@each_path
def test_any_failure_kills_the_channel_for_good(path: CryptoPath) -> None:
    channel = path.load(KEYS[128]).open_session(opening())
    channel.wrap([bytes.fromhex("80CA9F7F00")])
    with pytest.raises(ResponseMacError):
        channel.unwrap(OK)
    with pytest.raises(ChannelError, match="dead"):
        channel.wrap([bytes.fromhex("80CA9F7F00")])
    with pytest.raises(ChannelError, match="dead"):
        channel.unwrap(OK)


@each_path
def test_a_closed_channel_is_dead(path: CryptoPath) -> None:
    channel = path.load(KEYS[128]).open_session(opening())
    channel.close()
    with pytest.raises(ChannelError, match="dead"):
        channel.wrap([])


# ---------------------------------------------------------------------------------- the AES


@each_aes
@pytest.mark.parametrize("size", [0, 1, 15, 17, 31, 33, 64])
def test_a_key_of_no_aes_length_is_refused(aes: Aes, size: int) -> None:
    with pytest.raises(ValueError, match=f"16, 24 or 32 bytes, not {size}"):
        aes.key(Secret(bytes(size)))


@each_aes
@pytest.mark.parametrize("size", [0, 15, 17, 32])
def test_a_block_of_other_than_16_bytes_is_refused(aes: Aes, size: int) -> None:
    with pytest.raises(ValueError, match=f"a block has 16 bytes, not {size}"):
        aes.key(Secret(bytes(16))).encrypt_block(bytes(size))


@each_aes
@pytest.mark.parametrize(("icv", "data"), [(0, 16), (15, 16), (32, 16), (16, 1), (16, 17)])
def test_cbc_works_on_whole_blocks_only(aes: Aes, icv: int, data: int) -> None:
    key = aes.key(Secret(bytes(16)))
    with pytest.raises(ValueError, match=r"\w"):
        key.encrypt_cbc(bytes(icv), bytes(data))
    with pytest.raises(ValueError, match=r"\w"):
        key.decrypt_cbc(bytes(icv), bytes(data))


@each_aes
def test_no_data_are_no_blocks(aes: Aes) -> None:
    key = aes.key(Secret(bytes(16)))
    assert key.encrypt_cbc(bytes(16), b"") == key.decrypt_cbc(bytes(16), b"") == b""


@each_aes
def test_a_key_outlives_the_secret_that_it_was_made_from(aes: Aes) -> None:
    secret = Secret(KEY_BYTES)
    key = aes.key(secret)
    block, mac = key.encrypt_block(bytes(16)), key.cmac(b"message")
    secret.wipe()
    assert key.encrypt_block(bytes(16)) == block
    assert key.cmac(b"message") == mac


@each_aes
def test_a_key_shows_its_length_and_nothing_else(aes: Aes) -> None:
    shown = repr(aes.key(Secret(KEY_BYTES)))
    assert shown.endswith("Key(128 bits)")
    assert KEY_BYTES.hex() not in shown.lower()

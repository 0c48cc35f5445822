"""Opening a session: reading the card's answer, and what is refused before the card is asked."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.core.kdf import DerivationConstant, derive
from kfasync.core.scp03 import Answer
from kfasync.crypto.openssl import OpensslAes
from kfasync.errors import (
    AnswerFormatError,
    CapabilityError,
    CryptogramError,
    KeyCheckError,
    KfError,
)
from kfasync.model import KeyCheckValues, KeySet, Layout, Opening, Scp03Mode, SecurityLevel
from kfasync.secret import Secret
from tests.core.hand import HOST_CHALLENGE, KEYS, PATH

S8, S16 = Scp03Mode.S8, Scp03Mode.S16
SIZE = {S8: 8, S16: 16}
AUTO = tuple(Layout)
REV3_ANSWERS = (Layout.REV3, Layout.REV3_WITH_GP_CONTEXT)
AID = bytes.fromhex("A0000008570101")
DIVERSIFICATION = bytes(range(10))
COUNTER = bytes.fromhex("00012C")
KVN = 255
C_MAC, R_MAC = SecurityLevel.C_MAC, SecurityLevel.C_MAC_R_MAC
R_ENC = SecurityLevel.C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION


def opening(answer: bytes, **changed: object) -> Opening:
    mode = changed.get("scp03_mode", S8)
    assert isinstance(mode, Scp03Mode)
    usual = Opening(HOST_CHALLENGE[: SIZE[mode]], answer, KVN, C_MAC, S8, AUTO, AID)
    return msgspec.structs.replace(usual, **changed)


def answer(
    layout: Layout = Layout.GP,
    mode: Scp03Mode = S8,
    *,
    i: int = 0x70,
    kvn: int = KVN,
    keys: KeySet = KEYS[128],
    challenge: bytes | None = None,
) -> bytes:
    """An INITIALIZE UPDATE answer whose cryptogram verifies."""
    size = SIZE[mode]
    enc, mac = (OpensslAes().key(key) for key in (keys.enc, keys.mac))
    if challenge is None:
        challenge = derive(enc, DerivationConstant.CARD_CHALLENGE, COUNTER + AID, bits=8 * size)
    context = HOST_CHALLENGE[:size] + challenge
    if layout in (Layout.REV3, Layout.GP_WITH_REV3_CONTEXT):
        context = COUNTER + context
    s_mac = OpensslAes().key(Secret(derive(mac, DerivationConstant.S_MAC, context, bits=mac.bits)))
    cryptogram = derive(s_mac, DerivationConstant.CARD_CRYPTOGRAM, context, bits=8 * size)
    if layout in REV3_ANSWERS:
        return DIVERSIFICATION + b"\x03" + COUNTER + kvn.to_bytes(2) + challenge + cryptogram
    tail = COUNTER if i & 0x10 else b""
    return DIVERSIFICATION + bytes((kvn, 0x03, i)) + challenge + cryptogram + tail


# ------------------------------------------------------------------------- reading the answer


@pytest.mark.parametrize("mode", Scp03Mode)
@pytest.mark.parametrize("layout", Layout)
def test_an_answer_tells_who_the_card_is(layout: Layout, mode: Scp03Mode) -> None:
    raw = answer(layout, mode, i=0x71)
    read = Answer.parse(raw, layout, mode)
    assert read.facts.layout is layout
    assert read.facts.kvn == KVN
    assert read.facts.i_param == (None if layout in REV3_ANSWERS else 0x71)
    assert read.facts.sequence_counter == 300
    assert read.facts.key_diversification_data == DIVERSIFICATION
    size = SIZE[mode]
    start = 16 if layout in REV3_ANSWERS else 13
    assert read.challenge == raw[start : start + size]
    assert read.cryptogram == raw[start + size : start + 2 * size]


def test_the_two_kvn_bytes_of_rev3_are_one_big_endian_number() -> None:
    read = Answer.parse(answer(Layout.REV3, kvn=0x0130), Layout.REV3, S8)
    assert read.facts.kvn == 0x0130


def test_a_random_challenge_comes_without_a_counter() -> None:
    read = Answer.parse(answer(i=0x60, challenge=bytes(8)), Layout.GP, S8)
    assert read.facts.sequence_counter is None
    with pytest.raises(AnswerFormatError, match="needs the sequence counter"):
        read.pseudo_random_context(AID)


@pytest.mark.parametrize(
    ("raw", "layout"),
    [
        pytest.param(b"", Layout.GP, id="nothing"),
        pytest.param(answer()[:12], Layout.GP, id="cut in the key information"),
        pytest.param(answer()[:11] + b"\x02" + answer()[12:], Layout.GP, id="SCP02"),
        pytest.param(answer()[:-3], Layout.GP, id="counter announced and absent"),
        pytest.param(answer()[:-4], Layout.GP, id="cut in the cryptogram"),
        pytest.param(answer(i=0x60) + COUNTER, Layout.GP, id="counter not announced"),
        pytest.param(answer() + b"\0", Layout.GP, id="too long"),
        pytest.param(answer(mode=S16, i=0x71), Layout.GP, id="S16 where S8 was asked"),
        pytest.param(answer(Layout.REV3)[:-1], Layout.REV3, id="rev3 too short"),
        pytest.param(answer(Layout.REV3) + b"\0", Layout.REV3, id="rev3 too long"),
        pytest.param(b"", Layout.REV3, id="rev3 nothing"),
    ],
)
def test_an_answer_of_another_shape_is_refused(raw: bytes, layout: Layout) -> None:
    with pytest.raises(AnswerFormatError, match=f"not of layout {layout.value} in S8"):
        Answer.parse(raw, layout, S8)
    with pytest.raises(AnswerFormatError):
        PATH.load(KEYS[128]).open_session(opening(raw, layouts=(layout,)))


@given(st.binary(max_size=60), st.sampled_from(Scp03Mode), st.sampled_from([0, KVN]))
def test_any_bytes_as_an_answer_are_an_error_of_ours(raw: bytes, mode: Scp03Mode, kvn: int) -> None:
    with pytest.raises(KfError):
        PATH.load(KEYS[128]).open_session(opening(raw, scp03_mode=mode, key_version=kvn))


@given(st.binary(min_size=16, max_size=16), st.integers(0, 255), st.sampled_from(Layout))
def test_no_invented_cryptogram_opens_a_session(noise: bytes, i: int, layout: Layout) -> None:
    genuine = answer(layout, i=i)
    at = 16 if layout in REV3_ANSWERS else 13
    invented = genuine[:at] + noise + genuine[at + 16 :]
    with pytest.raises(CryptogramError, match="other keys"):
        PATH.load(KEYS[128]).open_session(opening(invented))


# -------------------------------------------------------------------------------- the layouts


@pytest.mark.parametrize("layout", Layout)
def test_auto_finds_the_layout_whose_cryptogram_verifies(layout: Layout) -> None:
    channel = PATH.load(KEYS[128]).open_session(opening(answer(layout)))
    assert channel.facts.layout is layout


@pytest.mark.parametrize("layout", Layout)
@pytest.mark.parametrize("forced", [Layout.GP, Layout.REV3])
def test_a_forced_layout_tries_only_itself(layout: Layout, forced: Layout) -> None:
    asked = opening(answer(layout), layouts=(forced,), key_version=0)
    slot = PATH.load(KEYS[128])
    if layout is forced:
        assert slot.open_session(asked).facts.layout is forced
    else:
        with pytest.raises(
            (CryptogramError, AnswerFormatError), match=rf"layout {forced.value}[ )]"
        ):
            slot.open_session(asked)


def test_the_error_names_every_layout_that_was_tried() -> None:
    with pytest.raises(CryptogramError, match=r"gp, rev3, gp\+rev3-context, rev3\+gp-context"):
        PATH.load(KEYS[256]).open_session(opening(answer(), key_version=0))


def test_a_random_challenge_has_no_counter_for_a_rev3_context() -> None:
    raw = answer(i=0x60, challenge=bytes(8))
    asked = opening(raw, layouts=(Layout.GP_WITH_REV3_CONTEXT,))
    with pytest.raises(AnswerFormatError, match=r"layout gp\+rev3-context needs the sequence"):
        PATH.load(KEYS[128]).open_session(asked)


# --------------------------------------------------------------- what the card can, and is


@pytest.mark.parametrize("layout", [Layout.GP, Layout.REV3])
def test_another_key_version_than_the_one_asked_for_is_refused(layout: Layout) -> None:
    slot = PATH.load(KEYS[128])
    with pytest.raises(CapabilityError, match=r"key version 48 where 255 .* set key_version"):
        slot.open_session(opening(answer(layout, kvn=0x30), layouts=(layout,)))
    assert slot.open_session(opening(answer(layout, kvn=0x30), key_version=0)).facts.kvn == 0x30


@pytest.mark.parametrize(
    ("i", "level", "mode", "missing"),
    [
        (0x50, R_MAC, S8, "R-MAC"),
        (0x10, R_ENC, S8, "R-MAC and R-ENCRYPTION"),
        (0x30, R_ENC, S8, "R-ENCRYPTION"),
        (0x00, R_MAC, S8, "R-MAC"),
        (0x70, C_MAC, S16, "S16"),
        (0x10, R_ENC, S16, "S16 and R-MAC and R-ENCRYPTION"),
    ],
)
def test_what_the_i_param_does_not_announce_is_not_asked_for(
    i: int, level: SecurityLevel, mode: Scp03Mode, missing: str
) -> None:
    asked = opening(answer(mode=mode, i=i), security_level=level, scp03_mode=mode)
    with pytest.raises(CapabilityError, match=rf"announce {missing} \(i = {i:02X}\)"):
        PATH.load(KEYS[128]).open_session(asked)


@pytest.mark.parametrize(
    ("i", "level", "mode"),
    [
        (0x00, SecurityLevel.C_MAC_C_DECRYPTION, S8),
        (0x20, R_MAC, S8),
        (0x60, R_ENC, S8),
        (0x71, R_ENC, S16),
    ],
)
def test_what_the_i_param_announces_is_had(i: int, level: SecurityLevel, mode: Scp03Mode) -> None:
    asked = opening(answer(mode=mode, i=i), security_level=level, scp03_mode=mode)
    channel = PATH.load(KEYS[128]).open_session(asked)
    assert channel.external_authenticate[2] == level


def test_a_rev3_answer_has_no_i_param_to_hold_the_profile_against() -> None:
    asked = opening(answer(Layout.REV3), security_level=R_ENC)
    assert PATH.load(KEYS[128]).open_session(asked).facts.i_param is None


# ------------------------------------------------------------------------ the card challenge


@pytest.mark.parametrize("mode", Scp03Mode)
def test_a_pseudo_random_challenge_is_recomputed(mode: Scp03Mode) -> None:
    asked = opening(answer(mode=mode, i=0x71), scp03_mode=mode)
    assert PATH.load(KEYS[128]).open_session(asked).facts.layout is Layout.GP


def test_a_pseudo_random_challenge_over_another_aid_is_refused() -> None:
    asked = opening(answer(), aid=bytes.fromhex("A000000857"))
    with pytest.raises(CryptogramError, match=r"another Key-ENC; .* A000000857: set challenge_aid"):
        PATH.load(KEYS[128]).open_session(asked)


def test_a_replayed_challenge_with_a_right_cryptogram_is_refused() -> None:
    asked = opening(answer(challenge=bytes(8)))
    with pytest.raises(CryptogramError, match="holds another Key-ENC"):
        PATH.load(KEYS[128]).open_session(asked)


def test_a_random_challenge_is_not_recomputed() -> None:
    asked = opening(answer(i=0x60, challenge=bytes(8)))
    assert PATH.load(KEYS[128]).open_session(asked).facts.layout is Layout.GP


# ---------------------------------------------------------------------------- the static keys


@pytest.mark.parametrize("part", ["enc", "mac", "dek"])
@pytest.mark.parametrize("bits", [128, 192, 256])
def test_a_key_without_its_check_value_is_refused_at_once(part: str, bits: int) -> None:
    wrong = msgspec.structs.replace(KEYS[bits].kcv, **{part: b"\x00\x11\x22"})
    keys = msgspec.structs.replace(KEYS[bits], kcv=wrong)
    with pytest.raises(KeyCheckError, match=f"key {part.upper()} of key version 255") as caught:
        PATH.load(keys)
    assert "001122" not in str(caught.value)


@pytest.mark.parametrize("kcv", [b"", b"\x00\x11"])
def test_a_check_value_of_another_length_is_refused(kcv: bytes) -> None:
    keys = msgspec.structs.replace(KEYS[128], kcv=KeyCheckValues(kcv, kcv, kcv))
    with pytest.raises(KeyCheckError):
        PATH.load(keys)


def test_keys_of_two_lengths_are_no_key_set() -> None:
    keys = msgspec.structs.replace(KEYS[128], dek=KEYS[256].dek)
    with pytest.raises(KeyCheckError, match="differ in length"):
        PATH.load(keys)


@pytest.mark.parametrize("size", [0, 8, 15, 17, 64])
def test_keys_of_no_aes_length_are_refused(size: int) -> None:
    part = Secret(bytes(size))
    keys = msgspec.structs.replace(KEYS[128], enc=part, mac=part, dek=part)
    with pytest.raises(KeyCheckError, match=f"ENC of key version 255: .* not {size}"):
        PATH.load(keys)


def test_a_wiped_slot_opens_nothing() -> None:
    slot = PATH.load(KEYS[128])
    slot.wipe()
    with pytest.raises(ValueError, match="have been wiped"):
        slot.open_session(opening(answer()))

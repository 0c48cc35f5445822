"""The card profile: its defaults, its ceilings, and what it does not let in."""

import msgspec
import pytest

from kfasync.core.profile import CardProfile, LayoutChoice, Level, UidPadding, UidSource
from kfasync.model import Layout, Scp03Mode, SecurityLevel

S8, S16 = Scp03Mode.S8, Scp03Mode.S16


def test_the_defaults_are_those_of_the_reference_flow() -> None:
    profile = CardProfile()
    assert profile.aid == "A000000857"
    assert profile.key_version == 255
    assert profile.level is SecurityLevel.C_MAC
    assert profile.scp03_mode is S8
    assert profile.layout is LayoutChoice.AUTO
    assert (profile.plan.block_size, profile.plan.p1, profile.plan.last_p1) == (245, 0x00, 0x80)
    assert profile.uid_source is UidSource.GET_DATA
    assert profile.uid_padding is UidPadding.RAW
    assert profile.post_personalization == ("00DB0000030A0101", "00DB0000030B0101")


@pytest.mark.parametrize(
    ("mode", "level", "ceiling"),
    [
        (S8, "01", 247),
        (S8, "11", 247),
        (S8, "03", 239),
        (S8, "13", 239),
        (S8, "33", 239),
        (S16, "01", 239),
        (S16, "11", 239),
        (S16, "03", 223),
        (S16, "13", 223),
        (S16, "33", 223),
    ],
)
def test_the_ceilings_of_a_block_are_computed_and_enforced(
    mode: Scp03Mode, level: str, ceiling: int
) -> None:
    def profile(block_size: int) -> CardProfile:
        return CardProfile(scp03_mode=mode, security_level=Level(level), block_size=block_size)

    assert profile(0).block_size_max == ceiling
    assert profile(0).plan.block_size == min(245, ceiling)
    assert profile(ceiling).plan.block_size == ceiling
    with pytest.raises(ValueError, match=f"block_size {ceiling + 1} is above {ceiling}"):
        profile(ceiling + 1)


@pytest.mark.parametrize("level", Level)
def test_every_level_is_the_p1_that_it_is_written_as(level: Level) -> None:
    assert f"{CardProfile(security_level=level).level:02X}" == level.value


@pytest.mark.parametrize(
    ("choice", "layouts"),
    [
        (
            LayoutChoice.AUTO,
            (
                Layout.GP,
                Layout.REV3,
                Layout.GP_WITH_REV3_CONTEXT,
                Layout.REV3_WITH_GP_CONTEXT,
            ),
        ),
        (LayoutChoice.GP, (Layout.GP,)),
        (LayoutChoice.REV3, (Layout.REV3,)),
    ],
)
def test_a_layout_choice_is_the_order_of_trying(
    choice: LayoutChoice, layouts: tuple[Layout, ...]
) -> None:
    assert CardProfile(layout=choice).layouts == layouts


@pytest.mark.parametrize(
    ("padding", "padded"),
    [
        (UidPadding.RAW, "04112233445566"),
        (UidPadding.LEFT, "00000004112233445566"),
        (UidPadding.RIGHT, "04112233445566000000"),
    ],
)
def test_a_short_uid_is_padded_as_the_profile_says(padding: UidPadding, padded: str) -> None:
    profile = CardProfile(uid_padding=padding)
    assert profile.pad(bytes.fromhex("04112233445566")).hex() == padded
    assert profile.pad(bytes(range(10))) == bytes(range(10))


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("aid", "A0000008", "aid 'A0000008' has 4 bytes, not 5 to 16"),
        ("aid", "A0" * 17, "has 17 bytes"),
        ("aid", "A00000085", "is not hex digits"),
        ("challenge_aid", "xx", "challenge_aid 'xx' is not hex digits"),
        ("store_data_p1", "", "store_data_p1 '' has 0 bytes"),
        ("store_data_last_p1", "8000", "store_data_last_p1 '8000' has 2 bytes"),
        ("key_version", -1, "key_version -1 is not 0 to 255"),
        ("key_version", 256, "key_version 256"),
        ("block_size", -1, "block_size -1"),
        ("post_personalization", ("00DB00",), "post_personalization '00DB00' has 3 bytes"),
        ("post_personalization", ("00DB0000zz",), "is not hex digits"),
        ("post_personalization", ("00DB0000030A01",), "is not a command: Lc says 3"),
    ],
)
def test_a_value_out_of_range_is_refused_by_the_name_of_its_field(
    field: str, value: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        msgspec.structs.replace(CardProfile(), **{field: value})
    assert str(caught.value).startswith(field)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `aids`"):
        msgspec.convert({"aids": "A000000857"}, CardProfile)


def test_a_profile_is_read_from_toml() -> None:
    text = b'aid = "A0000008570101"\nsecurity_level = "33"\nuid_source = "cplc"\n'
    profile = msgspec.toml.decode(text, type=CardProfile)
    assert profile.level is SecurityLevel.C_MAC_C_DECRYPTION_R_MAC_R_ENCRYPTION
    assert profile.uid_source is UidSource.CPLC

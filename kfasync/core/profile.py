"""The card profile: everything that can differ between cards, as data."""

import enum

import msgspec

from kfasync.core.apdu import CommandApdu
from kfasync.model import Layout, Scp03Mode, SecurityLevel, StoreDataPlan, Unit

UID_SIZE = 10  # of the JCOP UID, which key diversification works on
BLOCK_SIZE_SEED = 245  # 255 of a short APDU, less the 8-byte MAC and two in reserve


class LayoutChoice(enum.Enum):
    """Which INITIALIZE UPDATE layouts are tried."""

    AUTO = "auto"
    GP = "gp"
    REV3 = "rev3"


class Level(enum.Enum):
    """Security levels as they are written in a profile: two hex digits, as on the wire."""

    L01 = "01"
    L03 = "03"
    L11 = "11"
    L13 = "13"
    L33 = "33"


class UidSource(enum.Enum):
    """Where the identity of a fob is read."""

    GET_DATA = "get-data"  # PC/SC part 3, 3.2.2.1.3: the reader answers, not the card
    KEY_DIVERSIFICATION_DATA = "key-diversification-data"
    CPLC = "cplc"


class UidPadding(enum.Enum):
    """How a UID shorter than 10 bytes enters key diversification."""

    RAW = "raw"
    LEFT = "left"
    RIGHT = "right"


_LAYOUTS = {
    LayoutChoice.AUTO: (
        Layout.GP,
        Layout.REV3,
        Layout.GP_WITH_REV3_CONTEXT,
        Layout.REV3_WITH_GP_CONTEXT,
    ),
    LayoutChoice.GP: (Layout.GP,),
    LayoutChoice.REV3: (Layout.REV3,),
}


class SequenceCounter(enum.Enum):
    """When the card counts a session (GP Amendment D v1.2, 6.2.2.1, leaves it to the card)."""

    UNKNOWN = "unknown"
    INITIALIZE_UPDATE = "initialize-update"
    EXTERNAL_AUTHENTICATE = "external-authenticate"


class CardProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one kind of card is spoken to.

    ``block_size`` 0 means 245, or the most that mode and level carry where that is less.
    ``challenge_aid`` is the AID under which the card computes its pseudo-random challenge,
    where it is neither ``aid`` nor the one that the SELECT answer names.

    Raises:
        ValueError: a value is out of range; the message begins with the name of the field.
    """

    name: str = "jcop4-fob"
    aid: str = "A000000857"
    challenge_aid: str = ""
    key_version: int = 255
    security_level: Level = Level.L01
    scp03_mode: Scp03Mode = Scp03Mode.S8
    layout: LayoutChoice = LayoutChoice.AUTO
    block_size: int = 0
    store_data_p1: str = "00"
    store_data_last_p1: str = "80"
    uid_source: UidSource = UidSource.GET_DATA
    uid_padding: UidPadding = UidPadding.RAW
    sequence_counter: SequenceCounter = SequenceCounter.UNKNOWN
    post_personalization: tuple[str, ...] = ("00DB0000030A0101", "00DB0000030B0101")

    def __post_init__(self) -> None:
        for field, least, most in (("aid", 5, 16), ("challenge_aid", 0, 16)):
            _hex(field, getattr(self, field), least, most)
        for field in ("store_data_p1", "store_data_last_p1"):
            _hex(field, getattr(self, field), 1, 1)
        for command in self.post_personalization:
            _hex("post_personalization", command, 4, 261)
            _command("post_personalization", command)
        if not 0 <= self.key_version <= 0xFF:
            raise ValueError(f"key_version {self.key_version} is not 0 to 255")
        if not 0 <= self.block_size <= self.block_size_max:
            raise ValueError(
                f"block_size {self.block_size} is above {self.block_size_max}, the most that "
                f"{self.scp03_mode.value} at security level {self.security_level.value} carries"
            )

    @property
    def level(self) -> SecurityLevel:
        """P1 of EXTERNAL AUTHENTICATE."""
        return SecurityLevel(int(self.security_level.value, 16))

    @property
    def layouts(self) -> tuple[Layout, ...]:
        """The layouts to try, in this order."""
        return _LAYOUTS[self.layout]

    @property
    def block_size_max(self) -> int:
        """Most plain bytes in one short STORE DATA command: MAC and padding fit behind them."""
        room = 255 - (8 if self.scp03_mode is Scp03Mode.S8 else 16)
        if self.level & SecurityLevel.C_MAC_C_DECRYPTION == SecurityLevel.C_MAC_C_DECRYPTION:
            return room // 16 * 16 - 1
        return room

    @property
    def plan(self) -> StoreDataPlan:
        """How content is cut into STORE DATA commands."""
        return StoreDataPlan(
            block_size=self.block_size or min(BLOCK_SIZE_SEED, self.block_size_max),
            p1=int(self.store_data_p1, 16),
            last_p1=int(self.store_data_last_p1, 16),
        )

    def unit(self, uid: bytes, atr: bytes = b"") -> Unit:
        """The applet on the fob of this UID; of one that has not come yet there is no ATR."""
        return Unit(uid, self.pad(uid), atr, bytes.fromhex(self.aid), self.name)

    def pad(self, uid: bytes) -> bytes:
        """The UID as key diversification wants it."""
        if self.uid_padding is UidPadding.LEFT:
            return uid.rjust(UID_SIZE, b"\x00")
        if self.uid_padding is UidPadding.RIGHT:
            return uid.ljust(UID_SIZE, b"\x00")
        return uid


def _hex(field: str, text: str, least: int, most: int) -> None:
    try:
        size = len(bytes.fromhex(text))
    except ValueError:
        raise ValueError(f"{field} {text!r} is not hex digits") from None
    if not least <= size <= most:
        raise ValueError(f"{field} {text!r} has {size} bytes, not {least} to {most}")


def _command(field: str, text: str) -> None:
    # Found here and not when a card answers 6Cxx and the command has to be read again.
    try:
        CommandApdu.decode(bytes.fromhex(text))
    except ValueError as error:
        raise ValueError(f"{field} {text!r} is not a command: {error}") from None

"""Command: what the card reads off the air, and what it can refuse it with (ISO/IEC 7816-4, 5.1).

The card's own parser. The host side has another one, and neither knows of the other: a
mistake in one of them must show as a refusal, not cancel itself out.
"""

import enum

import msgspec


class Sw(enum.IntEnum):
    """The status words that the fob has in its vocabulary (ISO/IEC 7816-4, 5.6)."""

    OK = 0x9000
    AUTHENTICATION_FAILED = 0x63C0  # the last digit counts the tries left
    WRONG_LENGTH = 0x6700
    SECURITY_STATUS_NOT_SATISFIED = 0x6982
    KEY_LOCKED = 0x6983
    CONDITIONS_NOT_SATISFIED = 0x6985
    WRONG_DATA = 0x6A80
    FUNCTION_NOT_SUPPORTED = 0x6A81
    NOT_FOUND = 0x6A82
    WRONG_P1_P2 = 0x6A86
    KEY_NOT_FOUND = 0x6A88
    WRONG_LE = 0x6C00  # SW2 is the right one
    INS_NOT_SUPPORTED = 0x6D00
    CLA_NOT_SUPPORTED = 0x6E00


class Refusal(Exception):  # noqa: N818  # a card's answer, not an error of ours
    """The card answers this status word and nothing else.

    Attributes:
        sw: an error status word, 64xx to 6Fxx or 63Cx.
    """

    def __init__(self, sw: int) -> None:
        super().__init__(f"{sw:04X}")
        self.sw = sw


class Command(msgspec.Struct, frozen=True):
    """One command APDU.

    Attributes:
        lc_field: the length field as it came, 0, 1 or 3 bytes: the C-MAC is over these.
        le: bytes asked for, the field's 0 read as 256 or 65536; None when there is no Le.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    lc_field: bytes = b""
    data: bytes = b""
    le: int | None = None

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    @classmethod
    def parse(cls, raw: bytes) -> "Command":
        """Read any of the seven cases, short and extended (ISO/IEC 7816-4, 5.1).

        Raises:
            Refusal: 6700, the length fields and the length of the whole do not agree.
        """
        if len(raw) < 4:
            raise Refusal(Sw.WRONG_LENGTH)
        cla, ins, p1, p2, *_ = raw
        body = raw[4:]
        # A first length byte of 00 announces extended length, unless it is alone: then it
        # is a short Le of 256.
        width = 2 if len(body) > 1 and body[0] == 0 else 1
        skip = width - 1
        if len(body) in (0, skip + width):
            return cls(cla, ins, p1, p2, le=_le(body[skip:]))
        lc = int.from_bytes(body[skip : skip + width])
        start = skip + width
        data, le_field = body[start : start + lc], body[start + lc :]
        if lc == 0 or len(data) != lc or len(le_field) not in (0, width):
            raise Refusal(Sw.WRONG_LENGTH)
        return cls(cla, ins, p1, p2, lc_field=body[:start], data=data, le=_le(le_field))


def _le(field: bytes) -> int | None:
    if not field:
        return None
    return int.from_bytes(field) or 1 << 8 * len(field)

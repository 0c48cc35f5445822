"""Command and response APDUs (ISO/IEC 7816-4:2020, 5.1 and 5.2)."""

from typing import Self

import msgspec

from kfasync.errors import AnswerFormatError

SHORT_DATA_MAX = 255
SHORT_LE_MAX = 256
EXTENDED_DATA_MAX = 65535
EXTENDED_LE_MAX = 65536


class CommandApdu(msgspec.Struct, frozen=True):
    """One command: header, data field, and the length of the answer it expects.

    ``le`` counts bytes, so that the maximum is 256 (short) or 65536 (extended) and not
    the 00 that stands for it on the wire; None is an absent Le. Without ``extended`` the
    short form is used wherever it fits.
    """

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes = b""
    le: int | None = None
    extended: bool = False

    def __post_init__(self) -> None:
        if not all(0 <= byte <= 0xFF for byte in (self.cla, self.ins, self.p1, self.p2)):
            raise ValueError("CLA, INS, P1 and P2 are one byte each")
        if len(self.data) > EXTENDED_DATA_MAX:
            raise ValueError(f"a data field of {len(self.data)} bytes is above {EXTENDED_DATA_MAX}")
        if self.le is not None and not 1 <= self.le <= EXTENDED_LE_MAX:
            raise ValueError(f"Le {self.le} is not 1 to {EXTENDED_LE_MAX}")

    @property
    def is_extended(self) -> bool:
        """Whether the lengths need, or were asked to have, the extended form."""
        return self.extended or len(self.data) > SHORT_DATA_MAX or (self.le or 0) > SHORT_LE_MAX

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2."""
        return bytes((self.cla, self.ins, self.p1, self.p2))

    def lc(self, length: int) -> bytes:
        """The length field for a data field of that many bytes, in this command's form."""
        if self.is_extended or length > SHORT_DATA_MAX:
            return b"\x00" + length.to_bytes(2, "big")
        return bytes((length,))

    def encode(self) -> bytes:
        """The command as it goes to the card: cases 1 to 4, short and extended."""
        out = self.header
        if self.data:
            out += self.lc(len(self.data)) + self.data
        if self.le is None:
            return out
        if not self.is_extended:
            return out + bytes((self.le & 0xFF,))
        # Case 2E marks the extended form by a leading 00, which case 4E has in its Lc already.
        return out + (b"" if self.data else b"\x00") + (self.le & 0xFFFF).to_bytes(2, "big")

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Read a command back; ValueError when the lengths do not add up."""
        if len(raw) < 4:
            raise ValueError(f"a command of {len(raw)} bytes has no header")
        header, body = raw[:4], raw[4:]
        data, le, extended = b"", None, False
        if len(body) == 1:
            le = body[0] or SHORT_LE_MAX
        elif body and body[0]:
            data, le = _split(body[1:], body[0], le_size=1)
        elif body:
            extended = True
            if len(body) == 3:
                le = int.from_bytes(body[1:], "big") or EXTENDED_LE_MAX
            else:
                data, le = _split(body[3:], int.from_bytes(body[1:3], "big"), le_size=2)
        cla, ins, p1, p2 = header
        return cls(cla, ins, p1, p2, data, le, extended)


class ResponseApdu(msgspec.Struct, frozen=True):
    """One answer: data field and status word."""

    data: bytes
    sw: int

    @property
    def sw1(self) -> int:
        """First byte of the status word."""
        return self.sw >> 8

    @property
    def sw2(self) -> int:
        """Second byte of the status word."""
        return self.sw & 0xFF

    def encode(self) -> bytes:
        """Data field || SW1 || SW2."""
        return self.data + self.sw.to_bytes(2, "big")

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Read an answer; AnswerFormatError when there is no status word in it."""
        if len(raw) < 2:
            raise AnswerFormatError(f"an answer of {len(raw)} bytes has no status word")
        return cls(bytes(raw[:-2]), int.from_bytes(raw[-2:], "big"))


def _split(rest: bytes, lc: int, *, le_size: int) -> tuple[bytes, int | None]:
    data, tail = rest[:lc], rest[lc:]
    if not lc or len(data) != lc or len(tail) not in (0, le_size):
        raise ValueError(f"Lc says {lc} bytes, {len(rest)} follow")
    if not tail:
        return data, None
    return data, int.from_bytes(tail, "big") or 1 << (8 * le_size)

"""What PC/SC says when it refuses, and what that means to whoever stands at the reader."""

import enum

NO_PCSC = (
    "PC/SC does not answer: its library or its daemon is missing, which look the same from "
    "here. On Debian: apt install pcscd libpcsclite1, then systemctl start pcscd.socket; on "
    "Windows: start the service SCardSvr"
)
NO_PYSCARD = (
    "pyscard, which speaks to PC/SC, is not installed. On Debian: apt install gcc python3-dev "
    "libpcsclite-dev pcscd, then pip install pyscard; on Windows and macOS: pip install pyscard"
)


class ReturnCode(enum.IntEnum):
    """The return codes that are told apart (PC/SC part 5, 3.1.7, in winscard.h's numbers)."""

    CANCELLED = 0x80100002
    UNKNOWN_READER = 0x80100009
    TIMEOUT = 0x8010000A
    SHARING_VIOLATION = 0x8010000B
    NO_SMARTCARD = 0x8010000C
    COMM_ERROR = 0x80100013
    READER_UNAVAILABLE = 0x80100017
    NO_SERVICE = 0x8010001D
    SERVICE_STOPPED = 0x8010001E
    NO_READERS_AVAILABLE = 0x8010002E
    RESET_CARD = 0x80100068
    REMOVED_CARD = 0x80100069


_OF_THE_READER: dict[int, str] = {
    ReturnCode.UNKNOWN_READER: "no such reader",
    ReturnCode.SHARING_VIOLATION: (
        "held by another program, or by a conversation that was not closed: end it"
    ),
    ReturnCode.READER_UNAVAILABLE: "the reader was unplugged: plug it in again",
    ReturnCode.NO_SERVICE: NO_PCSC,
    ReturnCode.SERVICE_STOPPED: NO_PCSC,
}
_OF_THE_FOB: dict[int, str] = {
    ReturnCode.NO_SMARTCARD: "no fob on it: place one",
    ReturnCode.COMM_ERROR: (
        "the link to the fob or to the PC/SC daemon broke: place the fob again"
    ),
    ReturnCode.RESET_CARD: "the fob was reset or replaced since: begin again with this one",
    ReturnCode.REMOVED_CARD: "the fob left: place it again",
}


class Refusal(Exception):  # noqa: N818  # a return code on its way to becoming one of our errors
    """A call of PC/SC returned something other than success.

    Attributes:
        code: see :class:`ReturnCode`; many more exist.
        blames_reader: the fault is the reader's or the daemon's, whatever the fob does.
    """

    def __init__(self, code: int, text: str) -> None:
        super().__init__(f"{text} (0x{code:08X})")
        self.code = code
        self.blames_reader = code in _OF_THE_READER

    def sentence(self, reader: str) -> str:
        """What happened at this reader, and the way out."""
        known = _OF_THE_READER.get(self.code) or _OF_THE_FOB.get(self.code)
        return f"{reader}: {known or f'the fob does not answer: {self}'}"

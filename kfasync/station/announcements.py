"""Announcements as text: the UID of one fob to come on each line."""

from collections.abc import Iterator

_SIZES = (4, 7, 8, 10)  # bytes: UIDs, and what a profile may take in their place
_BETWEEN = str.maketrans("", "", " :-\t\r")
_LINE_MAX = 1000  # bytes; what is longer is no text of this kind


class LineError(ValueError):
    """A line that is no UID; it does not quote it."""


class Lines:
    """Takes text as it comes, in any pieces, and gives what each line says."""

    def __init__(self) -> None:
        self._rest = b""
        self._number = 0

    def feed(self, chunk: bytes) -> Iterator[tuple[int, bytes | LineError]]:
        """The number of each whole line, and its UID; an empty chunk is the end of the text."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if not chunk or len(self._rest) > _LINE_MAX:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._number += 1
            try:
                uid = uid_of(line)
            except LineError as error:
                yield self._number, error
            else:
                if uid:
                    yield self._number, uid


def uid_of(line: bytes) -> bytes:
    """The UID on a line; b"" where there is none, also behind a ``#``.

    Raises:
        LineError: it is something else.
    """
    text = line.removeprefix(b"\xef\xbb\xbf").partition(b"#")[0].decode("ascii", "replace")
    try:
        uid = bytes.fromhex(text.translate(_BETWEEN))
    except ValueError:
        raise LineError("it is not hex digits") from None
    if uid and len(uid) not in _SIZES:
        sizes = ", ".join(map(str, _SIZES[:-1]))
        raise LineError(f"it has {len(uid)} bytes, and a UID {sizes} or {_SIZES[-1]}")
    return uid

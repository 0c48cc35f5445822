"""Secret: key material that shows nothing but its length."""

import hmac
from typing import NoReturn


class Secret:
    """Key material behind a handle.

    ``repr``, ``str``, formatting and error messages show the length only. Equality takes
    the same time wherever the first difference is. The one way to the bytes is
    :meth:`expose`, so that ``grep -rn "expose()"`` lists every place that sees a key.
    Pickling, copying and hashing are refused, for each would leave a second copy behind.

    The bytes live in a buffer of this object, or in memory that was made for secrets
    (:meth:`over`), and are overwritten by :meth:`wipe`, at the latest when the object dies.
    What a caller copies out of :meth:`expose` is the caller's.
    """

    __slots__ = ("_memory",)

    def __init__(self, data: bytes | bytearray | memoryview) -> None:
        self._memory = memoryview(bytearray(data))

    @classmethod
    def over(cls, memory: memoryview) -> "Secret":
        """Take over writable bytes which somebody else allocated, locked ones for instance.

        They go back to where they came from when the last view of them dies, which may be
        later than this object: the memory is the exporter's to free.
        """
        if memory.readonly or memory.format != "B" or memory.ndim != 1:
            raise ValueError("a secret lives in writable bytes")
        secret = cls.__new__(cls)
        secret._memory = memory
        return secret

    @classmethod
    def from_hex(cls, text: str) -> "Secret":
        """Read hex digits; a ``ValueError`` never repeats them."""
        try:
            return cls(bytes.fromhex(text))
        except ValueError:
            # "from None": the original message quotes the position, its traceback the text.
            raise ValueError(f"{len(text)} characters that are not hex digits") from None

    def expose(self) -> memoryview:
        """A read-only view of the bytes; it turns to zeros when the secret is wiped."""
        return self._memory.toreadonly()

    def writable(self) -> memoryview:
        """The bytes, for the one who brings them: a file, a decryption, a vendor's library.

        Read-only once the secret has been wiped.
        """
        return self._memory

    def wipe(self) -> None:
        """Overwrite the bytes with zeros, and let go of their memory; may be called again."""
        if not self._memory.readonly:
            self._memory[:] = bytes(len(self._memory))
            # Locked memory is scarce, and the object may live on in an error's traceback.
            self._memory = memoryview(bytes(len(self._memory)))

    def __len__(self) -> int:
        return len(self._memory)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._memory, other._memory)

    __hash__ = None  # type: ignore[assignment]  # a hash of a key is a fact about the key

    def __repr__(self) -> str:
        return f"Secret({len(self._memory)} bytes)"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret is neither pickled nor copied")

    def __del__(self) -> None:
        # A half-made instance (the argument was not bytes-like) has no buffer yet.
        if hasattr(self, "_memory"):
            self.wipe()

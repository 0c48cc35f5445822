"""Locked memory for secrets."""

import gc

from kfasync._kf_core import ffi, lib
from kfasync.contracts.crypto import NOT_BASE64, NOT_PKCS8
from kfasync.crypto.native.binding import bytes_of, require_arena
from kfasync.errors import CryptoPathError
from kfasync.secret import Secret


class NativeVault:
    """A :class:`kfasync.contracts.crypto.Vault` of locked memory: the arena, which it starts.

    Args:
        unlocked_allowed: go on where the memory cannot be locked.

    Raises:
        CryptoPathError: the memory is not to be had or cannot be locked.
    """

    def __init__(self, *, unlocked_allowed: bool = False) -> None:
        code = lib.kf_start(unlocked_allowed)
        require_arena(code, locked=bool(lib.kf_locked()), unlocked_allowed=unlocked_allowed)

    def secret(self, size: int) -> Secret:
        """That many zeros in a cell of their own, 4096 at most."""
        if size > lib.KF_CELL_SIZE:
            raise ValueError(f"{size} bytes are more than a cell holds; {lib.KF_CELL_SIZE} fit")
        cell = lib.kf_cell_get()
        if cell == ffi.NULL:
            # Secrets that died in a cycle, an error and its traceback, are still there.
            gc.collect()
            cell = lib.kf_cell_get()
        if cell == ffi.NULL:
            raise CryptoPathError("all locked memory is in use: too many fobs at one time")
        # The buffer keeps the cell, and every view keeps the buffer: the cell goes back, and
        # is wiped, when nobody can look into it any more.
        return Secret.over(memoryview(ffi.buffer(ffi.gc(cell, lib.kf_cell_put), size)))

    def scalar(self, pkcs8: Secret) -> tuple[Secret, bytes]:
        """The scalar and its public point, computed in constant time."""
        scalar, point = self.secret(32), ffi.new("uint8_t[65]")
        target = bytes_of(scalar.writable())
        if lib.kf_pkcs8_scalar(bytes_of(pkcs8.expose()), len(pkcs8), target, point):
            scalar.wipe()
            raise ValueError(NOT_PKCS8)
        return scalar, bytes(point)

    def base64(self, text: Secret) -> Secret:
        """Decode without a table."""
        whole, written = self.secret(len(text) // 4 * 3), ffi.new("uint32_t *")
        source, target = bytes_of(text.expose()), bytes_of(whole.writable())
        try:
            if lib.kf_base64_decode(source, len(text), target, len(whole), written):
                raise ValueError(NOT_BASE64)
            decoded = self.secret(written[0])
            decoded.writable()[:] = whole.expose()[: written[0]]
            return decoded
        finally:
            del source, target
            whole.wipe()

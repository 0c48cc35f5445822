"""The native path: keys that never become Python objects, and one call per fob.

Binds the C core (`native/include/kf_core.h`). Importing it where the core was not built is an
ImportError. Static keys, session keys and everything that a vault holds live in one locked
arena; what Python sees of them are handles. Whatever the C core refuses is put into the same
words as on the other paths, which read the public part of what was refused once more.
"""

from kfasync.crypto.native.aes import NativeAes
from kfasync.crypto.native.binding import tiers
from kfasync.crypto.native.channel import PENDING_MAX
from kfasync.crypto.native.path import NativePath
from kfasync.crypto.native.vault import NativeVault

__all__ = ["PENDING_MAX", "NativeAes", "NativePath", "NativeVault", "tiers"]

"""The native crypto path and its slots."""

import gc
from collections.abc import Sequence
from typing import Any

from kfasync._kf_core import ffi, lib
from kfasync.core import scp03
from kfasync.crypto.native.batch import LAYOUTS, MAC_SIZE, Batch, terms_of
from kfasync.crypto.native.binding import (
    TIERS,
    bytes_of,
    require_tier,
    unexpected,
)
from kfasync.crypto.native.channel import NativeChannel
from kfasync.crypto.native.vault import NativeVault
from kfasync.errors import CryptoPathError, KeyCheckError
from kfasync.model import Item, KeySet, Opening, StoreDataPlan

_NO_PLAN = StoreDataPlan(block_size=0, p1=0, last_p1=0)


class NativePath:
    """A :class:`kfasync.contracts.crypto.CryptoPath` in C.

    Args:
        tier: one of :func:`kfasync.crypto.native.tiers`.
        unlocked_allowed: go on where the memory cannot be locked.

    Raises:
        CryptoPathError: the tier is not to be had or computes wrong, or the memory is not to
            be had or cannot be locked.
    """

    def __init__(self, tier: str, *, unlocked_allowed: bool = False) -> None:
        self._tier = TIERS[tier]
        self.name = f"native-{tier}"
        self.vault = NativeVault(unlocked_allowed=unlocked_allowed)
        require_tier(self.name, lib.kf_tier_check(self._tier))

    def load(self, keys: KeySet) -> "NativeSlot":
        """Take one fob's static keys into a slot of the arena."""
        return NativeSlot(self._tier, keys)


class NativeSlot:
    """The static keys of one fob and its session, in one slot of the arena."""

    def __init__(self, tier: int, keys: KeySet) -> None:
        scp03.check_sizes(keys)
        slot = lib.kf_slot_get(tier)
        if slot == ffi.NULL:
            gc.collect()  # as for a cell of the vault
            slot = lib.kf_slot_get(tier)
        if slot == ffi.NULL:
            raise CryptoPathError("all slots of locked memory are in use: too many fobs at once")
        self._slot = ffi.gc(slot, lib.kf_slot_put)
        self._channel: NativeChannel | None = None
        parts = (keys.enc, keys.mac, keys.dek)
        kcv = keys.kcv.enc + keys.kcv.mac + keys.kcv.dek
        if len(kcv) != 9:
            self.wipe()
            raise KeyCheckError("a key check value is not three bytes long")
        code = lib.kf_slot_load(
            self._slot, *(bytes_of(key.expose()) for key in parts), len(keys.enc), kcv
        )
        if code:
            self.wipe()
            raise _key_check(code, keys)

    def open_session(self, opening: Opening) -> "NativeChannel":
        """Derive, verify the card, and make EXTERNAL AUTHENTICATE."""
        slot = self._begin()
        layout = ffi.new("uint32_t *")
        size = 5 + 2 * MAC_SIZE[opening.scp03_mode]
        command = ffi.new("uint8_t[]", size)
        code = lib.kf_session_open(
            slot,
            terms_of(opening, _NO_PLAN),
            opening.host_challenge,
            opening.answer,
            len(opening.answer),
            layout,
            command,
        )
        if code:
            raise _refused(code, opening)
        return self._opened(opening, layout[0], bytes(command))

    def open_and_wrap(
        self, opening: Opening, items: Sequence[Item], plan: StoreDataPlan
    ) -> tuple["NativeChannel", list[bytes]]:
        """A whole fob in one call."""
        slot = self._begin()
        batch = Batch(items, plan, before=1)
        layout = ffi.new("uint32_t *")
        code = lib.kf_open_and_wrap(
            slot,
            terms_of(opening, plan),
            opening.host_challenge,
            opening.answer,
            len(opening.answer),
            layout,
            batch.items,
            len(items),
            batch.out,
            batch.capacity,
            batch.ends,
            batch.count,
        )
        if code:
            raise _refused(code, opening)
        first, *commands = batch.commands()
        opened = self._opened(opening, layout[0], first)
        opened.expect(len(commands))
        return opened, commands

    def wipe(self) -> None:
        """Give the slot back, which wipes it."""
        self._close()
        if self._slot is not None:
            ffi.release(self._slot)
            self._slot = None

    def _begin(self) -> Any:
        if self._slot is None:
            raise ValueError("the static keys of this slot have been wiped")
        self._close()
        return self._slot

    def _opened(self, opening: Opening, layout: int, command: bytes) -> "NativeChannel":
        answer = scp03.Answer.parse(opening.answer, LAYOUTS[layout], opening.scp03_mode)
        self._channel = NativeChannel(self._slot, opening, answer.facts, command)
        return self._channel

    def _close(self) -> None:
        if self._channel is not None:
            self._channel.close()
            self._channel = None


def _key_check(code: int, keys: KeySet) -> KeyCheckError:
    if code == lib.KF_E_KEY_LENGTH:
        return KeyCheckError(
            f"static key ENC of key version {keys.kvn}: an AES key has 16, 24 or 32 bytes, "
            f"not {len(keys.enc)}"
        )
    name = {lib.KF_E_KCV_ENC: "ENC", lib.KF_E_KCV_MAC: "MAC", lib.KF_E_KCV_DEK: "DEK"}[code]
    return scp03.other_key(name, keys.kvn)


def _refused(code: int, opening: Opening) -> Exception:
    """What the software paths would say: all that is needed for it is public."""
    readings = scp03.candidates(opening)
    if code == lib.KF_E_CAPABILITY:
        # Layouts that read an i-param read the same one.
        facts = next(answer.facts for answer in readings if answer.facts.i_param is not None)
        scp03.check_capabilities(facts, opening)
    if code == lib.KF_E_CRYPTOGRAM:
        return scp03.other_keys(opening)
    if code == lib.KF_E_CHALLENGE:
        return scp03.other_challenge(opening)
    return unexpected(code)

"""A fob's items and a card profile's terms, as C takes them, and the commands it makes."""

import functools
import itertools
from collections.abc import Sequence
from typing import Any

from kfasync._kf_core import ffi
from kfasync.core import dgi
from kfasync.crypto.native.binding import bytes_of
from kfasync.model import Item, Layout, Opening, Scp03Mode, StoreDataPlan
from kfasync.secret import Secret

MAC_SIZE = {Scp03Mode.S8: 8, Scp03Mode.S16: 16}
# As KF_LAYOUT_* counts them.
LAYOUTS = (
    Layout.GP,
    Layout.REV3,
    Layout.GP_WITH_REV3_CONTEXT,
    Layout.REV3_WITH_GP_CONTEXT,
)
# What securing can add to one command: two bytes of Lc, a block of padding, a C-MAC, Le.
SECURING_MAX = 40
_HEADERS_MAX = 12  # command header and length, DGI and its length


class Batch:
    """A fob's items as C takes them, and room for what it makes of them.

    Args:
        before: commands that stand in front of the STORE DATA commands.
    """

    def __init__(self, items: Sequence[Item], plan: StoreDataPlan, before: int = 0) -> None:
        # Says what is wrong with the content in the words of every path.
        count = dgi.block_count(items, plan) + before
        # Kept here: a cffi structure holds no reference to what it points at.
        self._items = tuple(items)
        self.items = ffi.new("kf_item[]", len(items))
        for entry, item in zip(self.items, items, strict=True):
            value = item.value.expose() if isinstance(item.value, Secret) else item.value
            entry.value, entry.size = bytes_of(value), len(value)
            entry.dgi, entry.under_dek = item.dgi, item.under_dek
        content = sum(len(item.value) for item in items)
        self.capacity = content + count * (SECURING_MAX + _HEADERS_MAX)
        self.out = ffi.new("uint8_t[]", self.capacity)
        self.ends = ffi.new("uint32_t[]", count)
        self.count = ffi.new("uint32_t *", count)

    def commands(self) -> list[bytes]:
        """What C made."""
        return cut(self.out, self.ends, self.count[0])


def cut(out: Any, ends: Any, count: int) -> list[bytes]:
    """The commands that stand one after the other in ``out``; they go to the card as bytes."""
    view, starts = ffi.buffer(out), [0, *ffi.unpack(ends, count)]
    return [view[start:end] for start, end in itertools.pairwise(starts)]


def terms_of(opening: Opening, plan: StoreDataPlan) -> Any:
    """What C reads of an opening besides the card's answer; made once per card profile."""
    if len(opening.host_challenge) != MAC_SIZE[opening.scp03_mode]:
        # C takes its length from the mode, and would read past a shorter one.
        raise ValueError(
            f"a host challenge of {len(opening.host_challenge)} bytes is not of "
            f"mode {opening.scp03_mode.value}"
        )
    return _terms(
        opening.security_level,
        opening.scp03_mode,
        opening.key_version,
        opening.layouts,
        opening.aid,
        plan,
    )


@functools.lru_cache(maxsize=16)  # the same for every fob of a card profile
def _terms(
    level: int,
    mode: Scp03Mode,
    key_version: int,
    layouts: tuple[Layout, ...],
    aid: bytes,
    plan: StoreDataPlan,
) -> Any:
    return ffi.new(
        "kf_terms *",
        {
            "security_level": level,
            "mac_size": MAC_SIZE[mode],
            "key_version": key_version,
            "layout_count": len(layouts),
            "layouts": [LAYOUTS.index(layout) for layout in layouts],
            "store_data_p1": plan.p1,
            "store_data_last_p1": plan.last_p1,
            "block_size": plan.block_size,
            "aid_size": len(aid),
            "aid": aid,
        },
    )

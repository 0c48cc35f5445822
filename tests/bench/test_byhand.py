import msgspec
import pytest

from kfasync.bench.byhand import Primitives, blocks, keyed, one_fob, open_session
from kfasync.bench.software import COPIED, NEW, PURE
from kfasync.bench.task import task
from kfasync.crypto.choose import choose
from kfasync.errors import CryptogramError

TASK = task()
each_primitives = pytest.mark.parametrize(
    "primitives", [PURE, NEW, COPIED], ids=["pure", "new", "copied"]
)


@each_primitives
def test_a_fob_by_hand_is_a_fob_by_the_product(primitives: Primitives) -> None:
    commands = one_fob(primitives, keyed(primitives, TASK), TASK)
    assert commands == TASK.by_product(choose("pure"))


def test_the_blocks_are_those_that_are_counted() -> None:
    keys = keyed(COPIED, TASK)
    assert [5 + len(field) for field in blocks(keys.dek, TASK)] == TASK.mac_lengths[:-1]


@pytest.mark.parametrize("at", [13, 21], ids=["challenge", "cryptogram"])
def test_another_card_is_found_out(at: int) -> None:
    answer = bytearray(TASK.opening.answer)
    answer[at] ^= 1
    opening = msgspec.structs.replace(TASK.opening, answer=bytes(answer))
    other = msgspec.structs.replace(TASK, opening=opening)
    with pytest.raises(CryptogramError):
        open_session(COPIED, keyed(COPIED, TASK), other)

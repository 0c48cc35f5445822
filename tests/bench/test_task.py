import pytest

from kfasync.bench.task import fob, task
from kfasync.contracts.crypto import CryptoPath
from kfasync.core.scp03 import Answer
from kfasync.errors import CryptoPathError
from tests.core.hand import ITEMS
from tests.paths import each_path

TASK = task()


def test_it_has_the_size_of_the_fixture_fob() -> None:
    assert TASK.stream_bytes == 1709
    assert [(item.dgi, len(item.value), item.under_dek) for item in TASK.items] == [
        (item.dgi, len(item.value), item.under_dek) for item in ITEMS
    ]


def test_it_is_ten_commands_and_the_empty_last_one() -> None:
    assert len(TASK.mac_lengths) == 11
    assert TASK.mac_lengths[-1] == 5
    assert max(TASK.mac_lengths) == 5 + 245


def test_the_serial_blocks_are_those_of_every_c_mac() -> None:
    # Chaining value, header and data of each command, in blocks that are full or padded.
    assert [(16 + length + 15) // 16 for length in TASK.mac_lengths] == [
        5, 4, 17, 13, 17, 14, 17, 17, 17, 3, 2,
    ]  # fmt: skip
    assert TASK.serial_blocks == 126


def test_the_serial_blocks_of_a_fob_begin_with_its_session() -> None:
    # 16 fixed bytes and two challenges of 8, for S-MAC and again for the host cryptogram, which
    # stands behind 5 bytes of header in EXTERNAL AUTHENTICATE.
    assert TASK.fob_serial_blocks == 2 + 2 + 2 + 126
    answer = Answer.parse(TASK.opening.answer, TASK.opening.layouts[0], TASK.opening.scp03_mode)
    assert len(answer.context(TASK.opening.host_challenge)) == 16


@each_path
def test_every_path_says_the_same_and_the_fob_takes_it(path: CryptoPath) -> None:
    commands = TASK.by_product(path)
    TASK.check(commands, path.name)
    card = fob()
    card.transmit(bytes.fromhex("00A4040005A00000085700"))
    answer = card.transmit(bytes.fromhex("8050FF0008") + TASK.opening.host_challenge + b"\x00")
    assert answer[:-2] == TASK.opening.answer
    # What is in them is made up, so that the last one, which looks at it, is refused.
    assert {card.transmit(command) for command in commands[:-1]} == {b"\x90\x00"}


def test_work_that_comes_out_wrong_is_not_measured() -> None:
    with pytest.raises(CryptoPathError, match="slow but wrong"):
        TASK.check([b"something else"], "slow but wrong")


def test_it_is_the_same_every_time() -> None:
    again = task()
    assert again.opening == TASK.opening
    assert [item.value for item in again.items] == [item.value for item in TASK.items]

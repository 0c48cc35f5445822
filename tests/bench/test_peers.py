from importlib.metadata import version

import pytest

from kfasync.bench import peers
from kfasync.bench.machine import version_of
from kfasync.bench.task import task
from kfasync.errors import CryptoPathError


def test_yubikit_is_measured_where_it_is_and_elsewhere_it_says_how_to_get_it() -> None:
    if version_of(peers.PACKAGE) is None:
        with pytest.raises(CryptoPathError, match="pip install"):
            peers.yubikit(task())
    else:
        one = peers.yubikit(task())
        assert one.id == peers.YUBIKIT
        assert version(peers.PACKAGE) in one.label
        assert one.sample(1) > 0


def test_a_kept_command_is_answered_by_9000_and_no_data() -> None:
    kept = peers.Kept()
    assert kept.send_and_receive(b"\x84\xe2\x00\x00") == (b"", 0x9000)
    assert kept.commands == [b"\x84\xe2\x00\x00"]

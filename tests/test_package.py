import subprocess
import sys

import pytest

import kfasync


@pytest.mark.parametrize("name", kfasync.__all__)
def test_every_name_that_is_offered_is_there(name: str) -> None:
    assert getattr(kfasync, name)


def test_another_name_is_not() -> None:
    with pytest.raises(AttributeError, match="NoSuchName"):
        kfasync.NoSuchName  # noqa: B018  # looking is the test


def test_the_protocol_core_needs_neither_database_nor_pcsc_nor_network() -> None:
    heavy = ["sqlalchemy", "smartcard", "anyio", "httpx", "typer", "rich"]
    program = (
        "import sys, kfasync.core.flow, kfasync.core.scp03; "
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

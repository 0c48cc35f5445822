"""One reader of the private pcscd, and a hand that places fobs there."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from kfasync.contracts.cards import News
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.pcscd import PrivatePcscd
from tests.pcsc_fixtures import Place, until
from tests.pcscd.counter import Serve
from tests.pcscd.floor import provision_json


@pytest.fixture
def serve(pcscd: PrivatePcscd, place: Place) -> Serve:
    """Let one `kfasync provision` have a fob; the record. The fob is taken away again."""
    reader = pcscd.reader_names[0]

    def one(config: Path, fob: SimulatedFob) -> dict[str, Any]:
        card = place(fob, reader)
        code, record = provision_json(config, reader)
        assert (code == 0) == (record["outcome"] == "pass")
        card.remove()
        anyio.run(until, reader, News.EMPTY)
        return record

    return one

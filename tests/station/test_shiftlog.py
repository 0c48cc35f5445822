from pathlib import Path

import msgspec
import pytest

from kfasync.audit.record import CheckLine
from kfasync.station.batch import Batch, Check, CheckState
from kfasync.station.shiftlog import note
from kfasync.station.start import ShiftSection
from tests.station.desks import furnish, open_desk, sql

pytestmark = pytest.mark.anyio


async def test_the_record_says_which_check_was_red_when_and_what_brought_it_about(
    tmp_path: Path,
) -> None:
    async with open_desk(furnish(tmp_path)) as desk:
        batch = Batch(ShiftSection(golden=("04A1B2C3",)))
        batch.look([Check("readers", CheckState.RED, "none"), Check("log", CheckState.GOOD, "ok")])
        record = note(msgspec.structs.replace(desk, batch=batch), "command line")
    ((disposition, text),) = sql(tmp_path / "var", "SELECT disposition, json FROM record")
    assert (disposition, text) == ("red", record.json())
    assert record.message == "readers red (none); golden due (place it on any reader)"
    assert record.checks[0] == CheckLine("readers", "red", "none")
    assert (record.by, record.station, bool(record.finished)) == ("command line", "EOL-01", True)


async def test_a_list_that_is_done_is_checked(tmp_path: Path) -> None:
    async with open_desk(furnish(tmp_path)) as desk:
        assert note(desk, "start").disposition == "checked"

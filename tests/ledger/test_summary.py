"""The summary that the database itself keeps of each record."""

import json
from contextlib import closing
from pathlib import Path

from kfasync.ledger.attempts import Ending
from kfasync.ledger.ledger import Ledger
from kfasync.ledger.sqlite import Store
from kfasync.ledger.summary import make_summary
from kfasync.model import Disposition
from tests.station.desks import sql

ROW = {"finished": "2026-03-01", "slot": 3, "uid": "04ab", "fesn": "1KM00001", "cause": "torn"}


def test_every_record_is_summed_up_by_the_database(tmp_path: Path) -> None:
    with closing(Ledger.open(tmp_path)) as ledger:
        text = json.dumps(ROW | {"sw": None, "transcript": ["x"] * 9})
        ledger.finish(Ending(attempt="a", record=text, disposition=Disposition.BOUND))
        ledger.note("b", "resumed", '{"finished": "2026-03-02"}')
    assert sql(tmp_path, "SELECT * FROM summary") == [
        (1, "2026-03-01", 3, "04AB", "1KM00001", "bound", "torn", None),
        (2, "2026-03-02", None, None, None, "resumed", None, None),
    ]


def test_records_that_were_there_before_are_summed_up_when_it_is_made(tmp_path: Path) -> None:
    with closing(Ledger.open(tmp_path)) as ledger:
        ledger.finish(Ending(attempt="a", record=json.dumps(ROW), disposition=Disposition.BOUND))
    before = sql(tmp_path, "SELECT * FROM summary")
    sql(tmp_path, "DROP TABLE summary")
    sql(tmp_path, "DROP TRIGGER record_summed_up")
    with closing(Store.open(tmp_path / "ledger.sqlite3")) as store:
        store.write(make_summary)
    assert sql(tmp_path, "SELECT * FROM summary") == before

"""What history is searched and counted by: a few words of each record, in a table of their own.

A record is some 8 KB, so a day's yield by reading records would be a gigabyte. The database itself
keeps the summary, so that no record is without one.
"""

import sqlalchemy as sa

from kfasync.ledger.sqlite import Session

summary = sa.Table(
    "summary",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True),  # that of the record
    sa.Column("finished", sa.Text),
    sa.Column("slot", sa.Integer),
    sa.Column("uid", sa.Text),  # upper case, as in the record
    sa.Column("fesn", sa.Text),
    sa.Column("disposition", sa.Text, nullable=False),
    sa.Column("cause", sa.Text),  # NULL of what a person has decided
    sa.Column("sw", sa.Text),
    sa.Index("summary_by_uid", "uid"),
    sa.Index("summary_by_fesn", "fesn"),
    # All that yield is counted from, so that the table is not even looked at.
    sa.Index("summary_by_end", "finished", "disposition", "cause", "sw"),
    sqlite_strict=True,
)

_COLUMNS = "id, finished, slot, uid, fesn, disposition, cause, sw"


def _words_of(record: str) -> str:
    """What is taken from a row of the record table, in the order of the columns."""
    taken = (
        f"json_extract({record}.json, '$.{name}')"
        for name in ("finished", "slot", "uid", "fesn", "cause", "sw")
    )
    finished, slot, uid, fesn, cause, sw = taken
    of = f"{finished}, {slot}, upper({uid}), {fesn}"
    return f"{record}.id, {of}, {record}.disposition, {cause}, {sw}"


_TRIGGER = f"""
    CREATE TRIGGER record_summed_up AFTER INSERT ON record
    BEGIN INSERT INTO summary ({_COLUMNS}) VALUES ({_words_of("NEW")}); END
"""  # noqa: S608  # nothing in it comes from outside
# Of the records that were there before the table was.
_FILL = f"INSERT INTO summary ({_COLUMNS}) SELECT {_words_of('record')} FROM record"  # noqa: S608


def make_summary(session: Session) -> None:
    """Make the table, with what it says of the records that are there, and the trigger."""
    session.make(summary)
    session.plain(_FILL)
    session.plain(_TRIGGER)

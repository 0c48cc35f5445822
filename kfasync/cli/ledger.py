"""``kfasync ledger``: what is unfinished, and a person's word on it; with the station stopped."""

import enum
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from kfasync import __version__
from kfasync.audit.log import AuditLog
from kfasync.audit.record import Resolution, now
from kfasync.errors import LedgerError
from kfasync.ledger.attempts import Unfinished
from kfasync.ledger.ledger import Ledger
from kfasync.station.config import LoadedConfig, load

app = typer.Typer(name="ledger", no_args_is_help=True)

ConfigOption = Annotated[Path, typer.Option(help="The station's configuration.")]


class ResolvedAs(enum.Enum):
    """What a person may decide of a fob in doubt."""

    RECOVERABLE = "recoverable"
    FAIL = "fail"


@app.callback()
def ledger() -> None:
    """What the ledger holds, and a person's word on fobs in doubt; stop the station first."""


@app.command()
def status(config: ConfigOption = Path("station.toml")) -> None:
    """How much content is in each state, and what is unfinished, set aside or untold."""
    with _opened(load(config)) as opened:
        for state, count in opened.counts().items():
            typer.echo(f"{state.value.lower():<12} {count}")
        for one in opened.unfinished():
            typer.echo(f"{_word(one)}: fob {one.uid} has container {one.content.fesn}; {one.since}")
        for aside in opened.aside():
            typer.echo(f"set aside: container {aside.content.fesn}: {aside.reason}")
        for waiting in opened.outbox.waiting():
            typer.echo(
                f"untold: {waiting.due} ends for {waiting.pool}, and {waiting.refused} that it "
                f"refused; the oldest of {waiting.oldest}"
            )


@app.command()
def resolve(
    uid: Annotated[str, typer.Argument(help="Of the fob, as `ledger status` prints it.")],
    resolved_as: Annotated[
        ResolvedAs,
        typer.Option(
            "--as",
            help="`recoverable`: nobody else has written to it, and its next placing may finish "
            "it. `fail`: it goes to the reject bin, and its content is used by nobody.",
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why; it stands in the record.")],
    config: ConfigOption = Path("station.toml"),
) -> None:
    """Decide what becomes of a fob whose end nobody knows; the decision is a record."""
    if not reason.strip():
        raise typer.BadParameter("say why; it stands in the record", param_hint="--reason")
    loaded = load(config)
    with _opened(loaded) as opened:
        found = [one for one in opened.unfinished() if one.uid == uid.upper()]
        if not found:
            raise LedgerError(f"fob {uid.upper()} is not unfinished; see `kfasync ledger status`")
        for one in found:
            if resolved_as is ResolvedAs.RECOVERABLE and not one.last_sent:
                raise LedgerError(
                    f"fob {one.uid} is bound and not in doubt: place it again, and it is finished"
                )
            record = Resolution(
                attempt=uuid.uuid4().hex,
                station=loaded.config.station.id,
                software=__version__,
                finished=now(),
                uid=one.uid,
                profile=one.profile,
                fesn=one.content.fesn,
                spid=one.content.spid,
                resolved_as=resolved_as.value,
                message=reason,
            )
            opened.resolve(
                one,
                record.attempt,
                record.json(),
                recoverable=resolved_as is ResolvedAs.RECOVERABLE,
            )
            typer.echo(f"fob {one.uid}: {resolved_as.value} (record {record.attempt})")
        AuditLog.open(loaded.resolve(loaded.config.station.data_dir), opened)


@contextmanager
def _opened(loaded: LoadedConfig) -> Iterator[Ledger]:
    directory = loaded.resolve(loaded.config.station.data_dir)
    if not directory.is_dir():
        raise LedgerError(f"there is no ledger in {directory}; the station makes it when it starts")
    opened = Ledger.open(directory)
    try:
        yield opened
    finally:
        opened.close()


def _word(one: Unfinished) -> str:
    if one.recoverable:
        return "recoverable"
    return "in doubt" if one.last_sent else "bound"

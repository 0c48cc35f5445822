"""``kfasync ledger``: what is unfinished, and a person's word on it; with the station stopped."""

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer

from kfasync import __version__
from kfasync.audit.log import AuditLog
from kfasync.audit.record import PoolDecision, now
from kfasync.errors import LedgerError
from kfasync.ledger.attempts import Unfinished
from kfasync.ledger.ledger import FILE_NAME, Ledger
from kfasync.ledger.marker import Tie, read, require_ledger
from kfasync.sources.containers import scan
from kfasync.station import decisions
from kfasync.station.config import LoadedConfig, load
from kfasync.station.decisions import ResolvedAs
from kfasync.station.setup import data_directory, pool_directory

app = typer.Typer(name="ledger", no_args_is_help=True)

ConfigOption = Annotated[Path, typer.Option(help="The station's configuration.")]


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
def create(
    take_over: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="Take containers over from a ledger that is gone or was restored; all of them are "
            "set aside.",
        ),
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; it stands in the record.")] = "",
    config: ConfigOption = Path("station.toml"),
) -> None:
    """Make the ledger of a data directory, and tie it to its containers.

    The station does this by itself at its first start, unless it cannot write to the directory
    of the containers, or they are another ledger's.
    """
    loaded = load(config)
    pool, directory = pool_directory(loaded), data_directory(loaded)
    if take_over:
        _require(reason)
        _take_over(loaded, pool, directory, reason)
        return
    if reason:
        raise typer.BadParameter("goes with --take-over", param_hint="--reason")
    if (directory / FILE_NAME).exists():
        raise LedgerError(f"there is a ledger in {directory} already")
    if pool is not None:
        require_ledger(pool, directory)
        scan(pool)  # a directory of anything else is not tied to
    with closing(Ledger.open(directory)) as made:
        if pool is not None:
            made.know(str(pool))
            Tie.make(pool, directory, made)
        typer.echo(f"ledger {made.identity} made in {directory}")


@app.command()
def free(
    fesns: Annotated[
        list[str] | None, typer.Argument(help="Of the containers; none, with --all.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All that wait for a person.")] = False,
    reason: Annotated[str, typer.Option(help="Why; it stands in the record.")] = "",
    config: ConfigOption = Path("station.toml"),
) -> None:
    """Let containers be issued that a take-over has set aside; the decision is a record."""
    _require(reason)
    if bool(fesns) == every:
        raise typer.BadParameter("name containers by FESN, or say --all", param_hint="FESNS")
    loaded = load(config)
    with _opened(loaded) as opened:
        held = [one.content.fesn for one in opened.aside() if not one.stamp]
        wanted = held if every else list(fesns or [])
        if missing := sorted(set(wanted) - set(held)):
            raise LedgerError(
                f"container {missing[0]} does not wait for a person; see `kfasync ledger status`"
            )
        record = _decision(loaded, opened, "freed", reason, wanted)
        opened.free(wanted, record.attempt, record.json())
        AuditLog.open(data_directory(loaded), opened)
        typer.echo(f"{len(wanted)} containers may be issued (record {record.attempt})")


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
    _require(reason)
    loaded = load(config)
    with _opened(loaded) as opened:
        station = loaded.config.station.id
        for record in decisions.resolve(opened, station, uid, resolved_as, reason):
            typer.echo(f"fob {record.uid}: {record.resolved_as} (record {record.attempt})")
        AuditLog.open(data_directory(loaded), opened)


def _take_over(loaded: LoadedConfig, pool: Path | None, directory: Path, reason: str) -> None:
    before = None
    if pool is not None:
        with suppress(LedgerError):  # a marker that cannot be read is replaced
            marker = read(pool)
            before = marker.ledger if marker else None
    contents = scan(pool) if pool is not None else []
    with closing(Ledger.open(directory)) as made:
        held = made.unissued(contents)
        record = _decision(loaded, made, "taken-over", reason, [one.fesn for one in held], before)
        made.hold(
            held,
            "it may have been issued by the ledger of before; `kfasync ledger free` lets it be "
            "issued",
            record.attempt,
            record.json(),
        )
        if away := AuditLog.put_away(directory):
            typer.echo(f"the audit log of before is {away}")
        AuditLog.open(directory, made)
        if pool is not None:
            Tie.take_over(pool, directory, made)
        typer.echo(
            f"{len(held)} containers are set aside (record {record.attempt}); "
            "`kfasync ledger free` lets those be issued that are known to be on no fob"
        )


def _decision(
    loaded: LoadedConfig,
    ledger: Ledger,
    disposition: str,
    reason: str,
    fesns: list[str],
    before: str | None = None,
) -> PoolDecision:
    return PoolDecision(
        attempt=uuid.uuid4().hex,
        station=loaded.config.station.id,
        software=__version__,
        finished=now(),
        pool=str(pool_directory(loaded) or ""),
        ledger=ledger.identity,
        ledger_before=before,
        fesns=tuple(fesns),
        disposition=disposition,
        message=reason,
    )


def _require(reason: str) -> None:
    if not reason.strip():
        raise typer.BadParameter("say why; it stands in the record", param_hint="--reason")


@contextmanager
def _opened(loaded: LoadedConfig) -> Iterator[Ledger]:
    directory = data_directory(loaded)
    if not (directory / FILE_NAME).is_file():
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

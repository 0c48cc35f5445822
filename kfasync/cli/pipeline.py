"""``kfasync bench pipeline``: a whole station with simulated fobs, measured."""

import json as json_module
import os
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Self

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from kfasync.bench.machine import this_machine
from kfasync.bench.pipeline import run
from kfasync.bench.pipeline.figures import FobTimes
from kfasync.bench.pipeline.floor import VirtualFloor
from kfasync.bench.pipeline.report import as_json, as_text
from kfasync.bench.pipeline.slide import draw
from kfasync.bench.report import software_of
from kfasync.cli.keyserver import KeyServer
from kfasync.cli.loop import Loop, LoopOption, run_on
from kfasync.cli.samples import sample_keys
from kfasync.errors import CardError, ConfigError
from kfasync.sim.pcscd import MAX_SLOTS, SOCKET_VARIABLE, PrivatePcscd
from kfasync.station.config import LoadedConfig, load

_A_LANE = 20  # fobs, where it is not said how many
_REFRESH_S = 0.5  # a display that is drawn for every fob would be a load of its own
_LINES = 10  # where there is no terminal


class Meanwhile:
    """What is seen on standard error while it runs: a bar, or a line now and then."""

    def __init__(self, what: str, total: int) -> None:
        self._console = Console(stderr=True)
        self._what = what
        self._total = total
        self._done = 0
        self._failed = 0
        self._drawn_s = 0.0
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=32),
            MofNCompleteColumn(),
            console=self._console,
            auto_refresh=False,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._bar = self._progress.add_task(what, total=total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, count: int) -> None:
        """So many more are done."""
        before, self._done = self._done, self._done + count
        if self._console.is_terminal:
            self._draw()
        elif self._done * _LINES // self._total > before * _LINES // self._total:
            text = f"{self._says()}: {self._done} of {self._total}"
            self._console.print(text, highlight=False)

    def see(self, fob: FobTimes) -> None:
        """One more fob is done."""
        self._failed += bool(fob.fault)
        self.advance(1)

    def _says(self) -> str:
        return f"{self._what}, {self._failed} failed" if self._failed else self._what

    def _draw(self) -> None:
        if time.monotonic() < self._drawn_s + _REFRESH_S and self._done < self._total:
            return
        self._drawn_s = time.monotonic()
        self._progress.update(
            self._bar, completed=self._done, description=self._says(), refresh=True
        )


def pipeline(
    lanes: Annotated[int, typer.Option(min=1, max=64, help="Readers, each with a lane.")] = 4,
    fobs: Annotated[
        int | None, typer.Option(min=1, help=f"In all; {_A_LANE} a lane where it is not said.")
    ] = None,
    card_ms: Annotated[
        float | None,
        typer.Option(min=0, max=60_000, help="Card time of a whole fob. [default: as on NFC]"),
    ] = None,
    seed: Annotated[int, typer.Option(help="For the UIDs, and for when each lane begins.")] = 0,
    source: Annotated[
        run.SourceKind,
        typer.Option(
            help="Of content and keys; `stub` is containers that take as long as a key server."
        ),
    ] = "containers",
    klms_ms: Annotated[
        int, typer.Option(min=0, max=10_000, help="A key server takes so long over a lease.")
    ] = 150,
    commit_ms: Annotated[
        int, typer.Option(min=0, max=10_000, help="A key server takes so long over ends.")
    ] = 150,
    announce: Annotated[
        bool, typer.Option("--announce/--no-announce", help="UIDs are known beforehand.")
    ] = False,
    prefetch: Annotated[
        bool,
        typer.Option(
            "--prefetch/--no-prefetch", help="Ask for a lease before it is needed, or only then."
        ),
    ] = True,
    disorder: Annotated[
        bool,
        typer.Option(
            "--disorder",
            help="Of the announced fobs a tenth never comes and a tenth comes late; hands pause.",
        ),
    ] = False,
    pcscd: Annotated[
        bool, typer.Option("--pcscd", help="Through a pcscd of its own, with virtual readers.")
    ] = False,
    loop: LoopOption = Loop.ASYNCIO,
    json: Annotated[bool, typer.Option("--json", help="The figures, as JSON.")] = False,
    svg: Annotated[
        Path | None, typer.Option(help="Write a picture of where the time goes to this file.")
    ] = None,
) -> None:
    """A whole station with simulated fobs: how much of a lane's time is card time.

    Content and ledger are made in a directory of their own, in TMPDIR if that is set; the
    ledger is as fast as that disk. Exit code 1 if a fob failed or a lane stopped.
    """
    if svg is not None and not svg.parent.is_dir():
        # Said before anything is measured.
        raise ConfigError("", f"{svg}: there is no directory {svg.parent}")
    if announce and (source == "containers" or not prefetch):
        raise ConfigError("--announce", "--announce needs --source klms or stub, and --prefetch")
    if pcscd and lanes > MAX_SLOTS:
        raise ConfigError(
            "", f"--pcscd has {MAX_SLOTS} readers at most: --lanes {lanes} are too many"
        )
    if disorder and not announce:
        raise ConfigError("--disorder", "--disorder is of announced fobs: add --announce")
    plan = run.Plan(
        lanes=lanes,
        fobs=_A_LANE * lanes if fobs is None else fobs,
        card_ms=card_ms,
        seed=seed,
        source=source,
        klms_ms=0 if source == "containers" else klms_ms,
        commit_ms=0 if source == "containers" else commit_ms,
        announce=announce,
        prefetch=prefetch,
        disorder=disorder,
    )
    with tempfile.TemporaryDirectory(prefix="kfasync-bench-") as name, ExitStack() as parts:
        with Meanwhile("making content", plan.containers) as meanwhile:
            loaded = run.furnish(Path(name), plan, meanwhile.advance)
        if source == "klms":
            loaded = _serve_keys(Path(name), plan, parts)
        keys_of = parts.enter_context(sample_keys(loaded))
        floor = _start_pcscd(Path(name), lanes, parts) if pcscd else None
        with Meanwhile("provisioning", plan.fobs) as meanwhile:
            measured = loaded, plan, loop.value, meanwhile.see, keys_of, floor
            report = run_on(loop, run.measure, *measured)
    machine = this_machine()
    if svg is not None:
        try:
            svg.write_text(draw(report, f"{machine.cpu}, {software_of(machine)}"), "utf-8")
        except OSError as error:
            raise ConfigError("", f"{svg} cannot be written: {error.strerror}") from error
    typer.echo(json_module.dumps(as_json(report), indent=2) if json else as_text(report, machine))
    raise typer.Exit(CardError.exit_code if report.failed else 0)


def _serve_keys(directory: Path, plan: run.Plan, parts: ExitStack) -> LoadedConfig:
    """The reference key server, filled with the containers, and the station that fits."""
    server = KeyServer(
        directory,
        directory / "containers",
        directory / "certificates",
        lease_ms=plan.klms_ms,
        ends_ms=plan.commit_ms,
    )
    return load(parts.enter_context(server).config)


def _start_pcscd(directory: Path, lanes: int, parts: ExitStack) -> VirtualFloor:
    server = PrivatePcscd(directory / "pcscd", slots=lanes)
    # Before anything of PC/SC is loaded, which looks at it once.
    os.environ[SOCKET_VARIABLE] = str(server.socket_path)
    return VirtualFloor(parts.enter_context(server), lanes)

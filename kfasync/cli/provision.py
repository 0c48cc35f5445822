"""``kfasync provision``: one fob."""

import json
from pathlib import Path
from typing import Annotated

import anyio
import typer
from rich.console import Console

from kfasync.cards.pcsc import PcscReaders
from kfasync.cli import signals
from kfasync.cli.board import Board
from kfasync.cli.loop import Loop, LoopOption, run_on
from kfasync.cli.samples import sample_keys
from kfasync.contracts.cards import Readers
from kfasync.crypto.choose import describe
from kfasync.errors import KfError
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.assembly import open_station
from kfasync.station.attempt import Conclusion
from kfasync.station.config import SIMULATED, LoadedConfig, load
from kfasync.station.rehearsal import new_fob


def provision(
    config: Annotated[Path, typer.Option(help="The station's configuration.")] = Path(
        "station.toml"
    ),
    reader: Annotated[
        str,
        typer.Option(
            help="A reader as `kfasync readers` prints it, or `simulated`; default: "
            "the configured one, or the only one."
        ),
    ] = "",
    timeout: Annotated[
        float, typer.Option(min=0.0, help="Seconds to wait for a fob to be placed.")
    ] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="The record on stdout, as JSON.")] = False,
    loop: LoopOption = Loop.ASYNCIO,
) -> None:
    """Provision one fob; exit 0 only when it has passed."""
    console = Console(stderr=True)
    try:
        loaded = load(config)
        board = Board(console)
        with signals.restored():
            result = run_on(loop, _provision, loaded, reader, timeout, board)
        if isinstance(result, KfError):
            raise result
    except KfError as error:
        if as_json:
            typer.echo(json.dumps(_no_record(error)))
        raise
    if as_json:
        typer.echo(result.record.json())
    console.print(describe(loaded.config.crypto.choose()), highlight=False)
    console.print(board.table())
    if result.verdict.exit_code:
        console.print(f"{result.record.message}\n{result.record.operator_action}", highlight=False)
    raise typer.Exit(result.verdict.exit_code)


async def _provision(
    loaded: LoadedConfig, name: str, wait_s: float, board: Board
) -> Conclusion | KfError:
    lanes = loaded.config.lanes
    if not name and len(lanes) == 1:
        name = lanes[0]
    stop = anyio.CancelScope()
    async with anyio.create_task_group() as tasks:
        # Before anything is opened, so that no moment is left at which a signal kills.
        await tasks.start(signals.watch, stop.cancel)
        result = await _one_fob(loaded, name, wait_s, board, stop)
        tasks.cancel_scope.cancel()
    return result


async def _one_fob(
    loaded: LoadedConfig, name: str, wait_s: float, board: Board, stop: anyio.CancelScope
) -> Conclusion | KfError:
    readers: Readers = _with_a_fob(loaded) if name == SIMULATED else PcscReaders()
    async with open_station(loaded, readers, board.tell, board.notice) as station:
        for unit in station.unfinished():
            board.note(
                f"place fob {unit.uid} again: container {unit.content.fesn} belongs to it, and "
                "its writing was cut off"
            )
        with board:
            result = await station.provision(name, wait_s, stop)
        for container in station.set_aside():
            board.note(
                f"container {container.content.fesn} is set aside, and was not issued: "
                f"{container.reason}"
            )
        return result


def _with_a_fob(loaded: LoadedConfig) -> SimulatedReaders:
    """One reader in memory, with a new fob on it."""
    readers = SimulatedReaders([SIMULATED])
    with sample_keys(loaded) as keys_of:
        readers.place(SIMULATED, new_fob(loaded, keys_of))
    return readers


def _no_record(error: KfError) -> dict[str, object]:
    return {
        "outcome": "error",
        "cause": type(error).__name__,
        "message": str(error),
        "exit_code": error.exit_code,
    }

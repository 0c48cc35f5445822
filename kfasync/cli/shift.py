"""``kfasync shift``: the check list before a batch, of a station that runs or is about to."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from kfasync.cards.pcsc import PcscReaders
from kfasync.cli.loop import Loop, LoopOption, run_on
from kfasync.cli.run import lanes_of
from kfasync.contracts.cards import Readers
from kfasync.errors import NoStationError
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.assembly import open_station
from kfasync.station.batch import Check, CheckState
from kfasync.station.config import SIMULATED, LoadedConfig, load
from kfasync.station.control import Request, ask
from kfasync.station.setup import data_directory

app = typer.Typer(name="shift", no_args_is_help=True)
_RED_CODE = 3


@app.callback()
def shift() -> None:
    """The check list before a batch."""


@app.command()
def check(
    config: Annotated[Path, typer.Option(help="The station's configuration.")] = Path(
        "station.toml"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="The list as JSON.")] = False,
    loop: LoopOption = Loop.ASYNCIO,
) -> None:
    """Go through the check list; exit 0 only when all of it is good.

    A station that runs is asked, and looks again. Otherwise this command looks, and the reference
    fobs are left to the station. Either way the list is a record.
    """
    loaded = load(config)
    checks = _asked(loaded)
    if checks is None:
        checks = list(run_on(loop, _looked, loaded))
    if as_json:
        typer.echo(msgspec.json.encode(checks))
    else:
        for one in checks:
            typer.echo(f"{one.state.value:<5} {one.name:<12} {one.said}")
    if any(one.state is not CheckState.GOOD for one in checks):
        raise typer.Exit(_RED_CODE)


def _asked(loaded: LoadedConfig) -> list[Check] | None:
    """What the running station finds; None where none runs."""
    try:
        return ask(data_directory(loaded), Request(check=True)).checks
    except NoStationError:
        return None


async def _looked(loaded: LoadedConfig) -> tuple[Check, ...]:
    names = lanes_of(loaded)
    readers: Readers = PcscReaders()
    if names and names[0].startswith(SIMULATED):
        readers = SimulatedReaders(names)
    async with open_station(loaded, readers, lambda event: None) as station:
        return await station.inspector(loaded).look("command line")

"""``kfasync lanes``: a person's word to the lanes of a station that runs."""

from pathlib import Path
from typing import Annotated

import typer

from kfasync.station.config import load
from kfasync.station.control import Request, ask
from kfasync.station.setup import data_directory

app = typer.Typer(name="lanes", no_args_is_help=True)
ConfigOption = Annotated[Path, typer.Option(help="The station's configuration.")]
_DEFAULT = Path("station.toml")


@app.command("list")
def list_lanes(config: ConfigOption = _DEFAULT) -> None:
    """Print how the lanes of the running station stand."""
    _say(config, Request())


@app.command()
def resume(
    slot: Annotated[int, typer.Argument(help="The lane's number, as the station shows it.")],
    config: ConfigOption = _DEFAULT,
) -> None:
    """Let a stopped lane go on, when its cause is mended."""
    _say(config, Request(resume=slot))


def _say(config: Path, request: Request) -> None:
    loaded = load(config)
    answer = ask(data_directory(loaded), request)
    for lane in answer.lanes:
        words = f"lane {lane.slot}  {lane.state:<12} {lane.reader}"
        typer.echo(f"{words}: {lane.message}" if lane.message else words)
    if not answer.lanes:
        typer.echo("no lane yet: PC/SC sees no reader")

"""``kfasync bench``: what the parts of this program cost on this machine."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from kfasync.cli.pipeline import pipeline
from kfasync.errors import ConfigError

app = typer.Typer(name="bench", no_args_is_help=True)
app.command()(pipeline)


@app.command()
def crypto(
    rounds: Annotated[
        int | None, typer.Option(min=1, help="Exactly so many rounds, however long they take.")
    ] = None,
    seconds: Annotated[float, typer.Option(min=0, help="About so long, without --rounds.")] = 20,
    json: Annotated[bool, typer.Option("--json", help="Every figure, as JSON.")] = False,
    svg: Annotated[
        Path | None, typer.Option(help="Write a chart of what a fob costs to this file.")
    ] = None,
) -> None:
    """SCP03 of one fob on every crypto path, how near C comes to the floor, and who is faster."""
    # Here, for every other command would wait a fifth of a second for the peers' packages.
    from kfasync.bench import crypto as crypto_bench
    from kfasync.bench.report import as_json, as_text
    from kfasync.bench.slide import chart

    if svg is not None and not svg.parent.is_dir():
        # Said before the machine is busy for twenty seconds.
        raise ConfigError("", f"{svg}: there is no directory {svg.parent}")
    if not json:
        how_long = f"about {seconds:g} s" if rounds is None else f"{rounds} rounds"
        typer.echo(f"measuring, {how_long}; leave the machine alone meanwhile", err=True)
    report = crypto_bench.run(rounds=rounds, seconds=seconds)
    if svg is not None:
        try:
            svg.write_text(chart(report).draw(), "utf-8")
        except OSError as error:
            raise ConfigError("", f"{svg} cannot be written: {error.strerror}") from error
    typer.echo(json_module.dumps(as_json(report), indent=2) if json else as_text(report))

"""``kfasync config``: print a configuration, and say what is wrong with one."""

from pathlib import Path
from typing import Annotated

import typer

from kfasync.crypto.choose import describe
from kfasync.station.config import TEMPLATE, ContainersSection, ProviderSection, load

app = typer.Typer(name="config", no_args_is_help=True)


@app.command()
def template() -> None:
    """Print a commented configuration."""
    typer.echo(TEMPLATE, nl=False)


@app.command()
def check(file: Annotated[Path, typer.Argument(help="A station.toml.")]) -> None:
    """Say what is wrong with a configuration file, or what it says."""
    loaded = load(file)
    card, source = loaded.config.card, loaded.config.source
    lanes = ", ".join(lane.reader for lane in loaded.config.lane) or "every PC/SC reader"
    typer.echo(f"{file}: good")
    typer.echo(f"  station   {loaded.config.station.id}, lanes: {lanes}")
    typer.echo(
        f"  card      AID {card.aid}, key version {card.key_version}, "
        f"SCP03 {card.scp03_mode.value} at security level {card.security_level.value}, "
        f"blocks of {card.plan.block_size} bytes"
    )
    match source:
        case ProviderSection():
            typer.echo(f"  content   {source.library}, SHA-256 {source.sha256.lower()}")
        case ContainersSection():
            kcv = loaded.config.key_set().kcv
            typer.echo(f"  content   {loaded.resolve(source.path)}")
            typer.echo(
                f"  keys      {8 * len(source.keys.enc)} bits, check values ENC "
                f"{kcv.enc.hex().upper()}, MAC {kcv.mac.hex().upper()}, DEK {kcv.dek.hex().upper()}"
            )
    typer.echo(f"  {describe(loaded.config.crypto.choose())}")

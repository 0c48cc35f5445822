"""``kfasync containers``: say what is wrong with fob content before a fob is placed."""

from pathlib import Path
from typing import Annotated

import typer

from kfasync.crypto.choose import choose
from kfasync.errors import SourceError
from kfasync.sources.containers import check as check_all

app = typer.Typer(name="containers", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps ``check`` a command of its own while it is the only one."""


@app.command()
def check(
    directory: Annotated[Path, typer.Argument(help="Directory of <FESN>-<SPID> containers.")],
    certificates: Annotated[
        Path | None,
        typer.Option(help="Directory of the static certificates; default: beside DIRECTORY."),
    ] = None,
) -> None:
    """Read every container as strictly as the station does."""
    if not directory.is_dir():
        raise SourceError(f"{directory} is no directory; name one of <FESN>-<SPID> containers")
    if not any(one.is_dir() for one in directory.iterdir()):
        raise SourceError(
            f"{directory} holds no containers, which are directories named <FESN>-<SPID>"
        )
    certificates = certificates or directory.parent / "certificates"
    good = bad = 0
    for _, error in check_all(directory, certificates, choose().vault):
        if error is None:
            good += 1
        else:
            bad += 1
            typer.echo(str(error), err=True)
    if bad:
        raise SourceError(f"{bad} of {good + bad} are wrong; the station would refuse them")
    typer.echo(f"{directory}: {good} checked, static certificates included; all are good")

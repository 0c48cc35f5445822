"""``kfasync readers``: what PC/SC sees."""

import json
from typing import Annotated

import typer

from kfasync.cards.pcsc import PcscReaders
from kfasync.errors import ReaderError


def readers(
    as_json: Annotated[bool, typer.Option("--json", help="A JSON list on stdout.")] = False,
) -> None:
    """List the readers that PC/SC sees."""
    names = PcscReaders().names()
    if as_json:
        typer.echo(json.dumps(names))
    elif names:
        for name in names:
            typer.echo(name)
    else:
        raise ReaderError("PC/SC is running and sees no reader; plug one in")

"""``kfasync demo``: the whole job with nothing attached."""

import io
import re
import secrets
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType

from kfasync.cli.board import Board
from kfasync.cli.loop import Loop, LoopOption, run_on
from kfasync.crypto.choose import describe
from kfasync.errors import CardError, ConfigError
from kfasync.model import Outcome
from kfasync.sim.content import make_certificates, make_containers
from kfasync.sim.faults import NFC
from kfasync.sim.fob import SimulatedFob
from kfasync.station.config import TEMPLATE, load
from kfasync.station.rehearsal import rehearse


def demo(
    fobs: Annotated[int, typer.Option(min=0, help="How many fobs to make, with content.")] = 20,
    readers: Annotated[int, typer.Option(min=1, max=16, help="Simulated readers.")] = 4,
    fixtures: Annotated[
        Path | None,
        typer.Option(help="Take `containers` and `certificates` from this directory too."),
    ] = None,
    svg: Annotated[Path | None, typer.Option(help="Keep a picture of the terminal.")] = None,
    loop: LoopOption = Loop.ASYNCIO,
) -> None:
    """Provision made fobs on simulated readers, as fast as NFC, and show a table."""
    console = Console()
    with tempfile.TemporaryDirectory(prefix="kfasync-demo-") as name:
        directory = Path(name)
        count = furnish(directory, fobs, fixtures)
        loaded = load(directory / "station.toml")
        names = [f"simulated {slot:02d}" for slot in range(readers)]
        keys = loaded.config.key_set()
        tray = [
            SimulatedFob(uid=b"\x04" + secrets.token_bytes(6), keys=keys, timing=NFC)
            for _ in range(count)
        ]
        console.print(describe(loaded.config.crypto.choose()), highlight=False)
        board = Board(console)
        began = time.monotonic()
        with board:
            run_on(loop, rehearse, loaded, board.tell, names, tray, board.notice)
        took_s = time.monotonic() - began
    passed = sum(record.outcome == Outcome.PASS.value for record in board.records)
    summary = (
        f"{passed} of {count} fobs passed on {readers} simulated readers in {took_s:.1f} s, "
        f"{3600 * passed / took_s:,.0f} an hour."
    )
    console.print(board.table())
    console.print(summary, highlight=False)
    if svg is not None:
        svg.write_text(_picture(board.bars(), board.table(), summary), "utf-8")
    raise typer.Exit(0 if passed == count == len(board.records) else CardError.exit_code)


def furnish(directory: Path, made: int, fixtures: Path | None) -> int:
    """Put content and configuration into a directory; how many fobs it is for."""
    # Made keys need no locked memory, and not every machine that shows a demo has any to lock.
    config = TEMPLATE.replace("fixtures/", "").replace(
        '# locked_memory = "required"', 'locked_memory = "preferred"'
    )
    (directory / "station.toml").write_text(config, "utf-8")
    containers, certificates = directory / "containers", directory / "certificates"
    if fixtures is None:
        containers.mkdir()
        make_certificates(certificates)
    else:
        for part in (containers, certificates):
            origin = fixtures / part.name
            if not origin.is_dir():
                raise ConfigError("--fixtures", f"there is no directory {origin}")
            # A copy is no pool of the original's ledger: hidden files stay behind.
            shutil.copytree(origin, part, ignore=shutil.ignore_patterns(".*"))
    make_containers(containers, made)
    return sum(1 for _ in containers.iterdir())


def _picture(*parts: RenderableType) -> str:
    """The end of it as SVG that fetches nothing: its fonts are the viewer's own."""
    console = Console(record=True, file=io.StringIO(), force_terminal=True, width=88)
    console.print(*parts, sep="\n", highlight=False)
    picture = console.export_svg(title="kfasync demo")
    return re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)

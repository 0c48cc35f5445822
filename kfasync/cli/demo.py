"""``kfasync demo``: the whole job with nothing attached."""

import io
import re
import secrets
import shutil
import tempfile
import time
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console, RenderableType

from kfasync.cli import showroom
from kfasync.cli.board import Board
from kfasync.cli.keyserver import KeyServer
from kfasync.cli.loop import Loop, LoopOption, run_on
from kfasync.cli.samples import sample_keys
from kfasync.crypto.choose import describe
from kfasync.errors import CardError, ConfigError
from kfasync.model import Outcome
from kfasync.sim.content import make_certificates, make_containers
from kfasync.sim.faults import NFC
from kfasync.sim.fob import SimulatedFob
from kfasync.station.config import TEMPLATE, LoadedConfig, load
from kfasync.station.rehearsal import rehearse


class Content(Enum):
    """Where the demo's content comes from."""

    KLMS = "klms"
    CONTAINERS = "containers"


def demo(
    fobs: Annotated[int, typer.Option(min=1, help="How many fobs to make, with content.")] = 20,
    readers: Annotated[int, typer.Option(min=1, max=16, help="Simulated readers.")] = 4,
    fixtures: Annotated[
        Path | None,
        typer.Option(help="Take `containers` and `certificates` from this directory too."),
    ] = None,
    source: Annotated[
        Content,
        typer.Option(help="klms: a key server over mutual TLS; containers: a directory."),
    ] = Content.KLMS,
    web: Annotated[
        bool,
        typer.Option(
            "--web",
            help="At the pace of hands, with some trouble, on the operator's page; until Ctrl-C.",
        ),
    ] = False,
    svg: Annotated[Path | None, typer.Option(help="Keep a picture of the terminal.")] = None,
    loop: LoopOption = Loop.ASYNCIO,
) -> None:
    """Provision made fobs on simulated readers, as fast as NFC, and show a table."""
    console = Console()
    with ExitStack() as parts:
        directory = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="kfasync-demo-")))
        count = furnish(directory, fobs, fixtures)
        config, origin = directory / "station.toml", ""
        if source is Content.KLMS:
            config, origin = _serve(directory, parts)
        if web:
            config.write_text(config.read_text("utf-8") + showroom.web_section(), "utf-8")
        loaded = load(config)
        names = [f"simulated {slot}" for slot in range(readers)]
        tray = _make_fobs(loaded, count)
        console.print(describe(loaded.config.crypto.choose()), highlight=False)
        if origin:
            console.print(origin, highlight=False, soft_wrap=True)
        board = Board(console)

        def say_where(url: str) -> None:
            console.print(_PAGE.format(url, showroom.PIN), highlight=False, soft_wrap=True)
            showroom.open_browser(url)

        began = time.monotonic()
        with board:
            if web:
                dealt = showroom.trays(tray, readers)
                run_on(loop, showroom.show, loaded, dealt, board.tell, board.notice, say_where)
            else:
                run_on(loop, rehearse, loaded, board.tell, names, tray, board.notice)
        took_s = time.monotonic() - began
        heard = _heard(loaded, loop) if source is Content.KLMS else ""
    passed = sum(record.outcome == Outcome.PASS.value for record in board.records)
    summary = (
        f"{passed} of {count} fobs passed on {readers} simulated readers in {took_s:.1f} s, "
        f"{3600 * passed / took_s:,.0f} an hour.{heard}"
    )
    console.print(board.table())
    console.print(summary, highlight=False)
    console.print(_NEXT, highlight=False, style="dim")
    if svg is not None:
        svg.write_text(_picture(board.bars(), board.table(), summary), "utf-8")
    # Not all of them pass at the page, and whoever looks decides when it ends.
    ok = web or passed == count == len(board.records)
    raise typer.Exit(0 if ok else CardError.exit_code)


def _serve(directory: Path, parts: ExitStack) -> tuple[Path, str]:
    """A key server with the content of the directory; a station.toml, and where keys come from."""
    server = KeyServer(directory, directory / "containers", directory / "certificates")
    parts.enter_context(server)
    # Made keys need no locked memory, and not every machine that shows a demo has any to lock.
    config = server.config.read_text("utf-8") + '\n[crypto]\nlocked_memory = "preferred"\n'
    server.config.write_text(config, "utf-8")
    origin = (
        f"keys and content from a key server, {server.url}: mutual TLS 1.3, master key in "
        f"{server.where}"
    )
    return server.config, origin


def _heard(loaded: LoadedConfig, loop: Loop) -> str:
    """What the key server knows of it afterwards."""
    # Here, and not above: the other demo does not have to wait for an HTTP client.
    from kfasync.station.inquiry import inquire

    pool = run_on(loop, inquire, loaded).pool
    return (
        f"\nThe key server has heard: {pool.consumed} consumed, {pool.quarantined} quarantined, "
        f"{pool.leased} leased, {pool.free} free."
    )


_PAGE = """\
the page is at {0}
  a: acknowledge, r: resume a stopped lane, d: decide on a fob; the line lead's PIN is {1}
  Ctrl-C ends"""
_NEXT = """\
Next, in this terminal (after `. .venv/bin/activate`, where `make` has set things up):
  kfasync config template > station.toml
  kfasync provision --config station.toml --reader simulated"""


def _make_fobs(loaded: LoadedConfig, count: int) -> list[SimulatedFob]:
    """Fobs whose keys are those that the station will be given."""
    uids = [b"\x04" + secrets.token_bytes(6) for _ in range(count)]
    with sample_keys(loaded) as keys_of:
        return [SimulatedFob(uid=uid, keys=keys_of(uid), timing=NFC) for uid in uids]


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

"""``kfasync self-test``: what works on this machine, and what is missing."""

import importlib.util
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVarTuple

import typer

from kfasync.cards.pcsc import PcscReaders
from kfasync.cli.demo import furnish
from kfasync.cli.loop import Loop, run_on
from kfasync.core.profile import Level
from kfasync.crypto.choose import available, choose, native_tiers
from kfasync.errors import CardError, KfError
from kfasync.model import Disposition, Layout, Scp03Mode
from kfasync.sim.fob import SimulatedFob
from kfasync.station.config import TEMPLATE, load
from kfasync.station.events import LaneEvent
from kfasync.station.rehearsal import rehearse

Ts = TypeVarTuple("Ts")


def self_test() -> None:
    """Known answers, a simulated fob end to end on every crypto path, and what is missing."""
    failed = 0
    _, why_not = native_tiers()
    if why_not:
        _report("crypto path native", f"not available: {why_not}")
    for name in available():
        failed += not check_path(name)
    _report("PC/SC", _pcsc())
    trio = importlib.util.find_spec(Loop.TRIO.value) is not None
    _report("event loops", "asyncio, trio" if trio else "asyncio (trio is not installed)")
    if failed:
        raise CardError(f"self-test: {failed} crypto path(s) failed; do not provision with them")
    typer.echo("self-test: everything that was tried works")


def check_path(name: str) -> bool:
    """Known answers, and a fob in every mode at every level; a line, and one for each failure."""
    tried: list[str | None] = [trouble("known answers", choose, name)]
    for mode in Scp03Mode:
        for level in Level:
            what = f"one fob, {mode.value}, security level {level.value}"
            tried.append(trouble(what, one_fob, name, mode, level))
    failures = [one for one in tried if one is not None]
    good = f"ok: known answers, and {len(tried) - 1} fobs in every mode and at every level"
    bad = f"{len(failures)} of {len(tried)} FAILED"
    _report(f"crypto path {name}", bad if failures else good)
    for failure in failures:
        typer.echo(f"  FAILED {failure}")
    return not failures


def trouble(what: str, work: Callable[[*Ts], object], *arguments: *Ts) -> str | None:
    """Do it; what went wrong, or None."""
    try:
        work(*arguments)
    except KfError as error:
        return f"{what}: {error}"
    return None


def _report(what: str, result: str) -> None:
    typer.echo(f"{what:<32} {result}")


def one_fob(path: str, mode: Scp03Mode, level: Level) -> None:
    """A whole rehearsal with one fob; CardError unless station and fob both say it passed."""
    seen: list[LaneEvent] = []
    with tempfile.TemporaryDirectory(prefix="kfasync-self-test-") as name:
        directory = Path(name)
        furnish(directory, 1, None)
        config = (
            TEMPLATE.replace("fixtures/", "")
            .replace('security_level = "01"', f'security_level = "{level.value}"')
            .replace('scp03_mode = "S8"', f'scp03_mode = "{mode.value}"')
            .replace('path = "auto"', f'path = "{path}"')
        )
        (directory / "station.toml").write_text(config, "utf-8")
        loaded = load(directory / "station.toml")
        keys = loaded.config.key_set()
        uid = b"\x04" + secrets.token_bytes(6)
        fob = SimulatedFob(uid=uid, keys=keys, scp03_mode=mode, layout=Layout.GP)
        run_on(Loop.ASYNCIO, rehearse, loaded, seen.append, ["simulated"], [fob])
    records = [event.record for event in seen if event.record is not None]
    if [record.disposition for record in records] != [Disposition.PASS.value]:
        said = "; ".join(record.message for record in records)
        raise CardError(f"the fob did not pass: {said or 'there is no record of it'}")
    if fob.personalizations != 1:
        raise CardError("the station says that the fob passed, and the fob says otherwise")


def _pcsc() -> str:
    try:
        names = PcscReaders().names()
    except KfError as error:
        return f"not available: {error}"
    return f"running, readers: {', '.join(names) or 'none'}"

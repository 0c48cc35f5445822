"""``kfasync fob``: a simulated fob, plugged into vpcd as if it lay on a reader."""

import re
import secrets
import struct
from pathlib import Path
from typing import Annotated

import typer

from kfasync.cli.samples import sample_keys
from kfasync.model import Layout
from kfasync.sim.faults import IMMEDIATE, NFC, Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.vpcd import LOOPBACK, PORT, serve_forever
from kfasync.station.config import TEMPLATE, StationConfig, load

app = typer.Typer(name="fob", no_args_is_help=True)

KINDS = [kind.value for kind in FaultKind]


@app.callback()
def _group() -> None:
    """Keeps ``serve`` a command of its own while it is the only one."""


@app.command()
def serve(
    config: Annotated[
        Path | None,
        typer.Option(
            help="Take card profile and keys from a station.toml; default: the "
            "development samples' of `config template`."
        ),
    ] = None,
    port: Annotated[int, typer.Option(help="Port of the vpcd slot.")] = PORT,
    host: Annotated[str, typer.Option(help="Where vpcd listens.")] = LOOPBACK,
    uid: Annotated[str, typer.Option(help="4, 7 or 10 bytes in hex; default: random.")] = "",
    layout: Annotated[
        Layout, typer.Option(help="INITIALIZE UPDATE layout of the card.")
    ] = Layout.GP,
    immediate: Annotated[
        bool, typer.Option("--immediate", help="Answer at once instead of as fast as NFC.")
    ] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="KIND@COMMAND, counted from 1 since the fob was placed, with =6581 for a "
            "status-word and =SECONDS for slow; may be repeated. Kinds: " + ", ".join(KINDS) + "."
        ),
    ] = None,
) -> None:
    """Serve one fob until Ctrl-C; it keeps its state while this runs."""
    own = _uid(uid)
    if config is None:
        station = StationConfig.parse(TEMPLATE, Path(), "the template")
        keys = station.key_set()
    else:
        loaded = load(config)
        station = loaded.config
        with sample_keys(loaded) as keys_of:
            keys = keys_of(own)
    fob = SimulatedFob(
        uid=own,
        keys=keys,
        aid=bytes.fromhex(station.card.aid),
        scp03_mode=station.card.scp03_mode,
        layout=layout,
        store_data_p1=(station.card.plan.p1, station.card.plan.last_p1),
        timing=IMMEDIATE if immediate else NFC,
        faults=[_fault(text) for text in fault or ()],
    )
    typer.echo(f"fob {fob.uid.hex().upper()} on {host}:{port}; Ctrl-C takes it away")
    serve_forever(fob, host, port)


def _uid(text: str) -> bytes:
    if not text:
        return b"\x04" + secrets.token_bytes(6)  # 04: NXP (ISO/IEC 7816-6)
    try:
        uid = bytes.fromhex(text)
    except ValueError:
        uid = b""
    if len(uid) not in (4, 7, 10):
        raise typer.BadParameter("a UID is 4, 7 or 10 bytes in hex", param_hint="--uid")
    return uid


def _fault(text: str) -> Fault:
    match = re.fullmatch(r"([a-z-]+)@([1-9]\d*)(?:=([0-9A-Fa-f.]+))?", text)
    if match is None or match[1] not in KINDS:
        raise typer.BadParameter(
            f"{text!r} is not KIND@COMMAND with a kind of {', '.join(KINDS)}", param_hint="--fault"
        )
    kind, at, value = FaultKind(match[1]), int(match[2]), match[3]
    try:
        match kind:
            case FaultKind.STATUS_WORD:
                (sw,) = struct.unpack(">H", bytes.fromhex(value or ""))
                return Fault(kind, at, sw=sw)
            case FaultKind.SLOW:
                return Fault(kind, at, delay_s=float(value or ""))
            case _:
                return Fault(kind, at)
    except (ValueError, struct.error):
        raise typer.BadParameter(
            f"{text!r} needs =6581 (a status word) or =2.5 (seconds) behind it",
            param_hint="--fault",
        ) from None

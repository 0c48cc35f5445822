"""``kfasync klms``: the reference key server, for those who build a station or a key server."""

import logging
import shlex
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from kfasync.contracts.klms import Name
from kfasync.core.profile import CardProfile
from kfasync.crypto.heap import HeapVault
from kfasync.errors import ConfigError, ContainerError
from kfasync.klms import faults as fault_parsing
from kfasync.klms.config import LoadedKlms, load
from kfasync.klms.depot import Depot, open_depot
from kfasync.klms.development import EXPIRED, REVOKED, Plan, make
from kfasync.klms.stock import Authorities, Piece
from kfasync.secret import Secret
from kfasync.sources.container import list_visible, read_certificates, read_container

app = typer.Typer(name="klms", no_args_is_help=True)

Config = Annotated[Path, typer.Option(help="klms.toml, as `klms init` makes it.")]
_PROFILE = CardProfile().name
_LONG_S = 3600


@app.command()
def init(
    directory: Annotated[Path, typer.Argument(help="A new or empty directory.")],
    station: Annotated[
        list[str] | None, typer.Option(help="Name of a station; may be given again.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535)] = 8443,
    token: Annotated[
        bool | None,
        typer.Option(
            "--token/--no-token",
            help="Keep the master key in a SoftHSM token; default: where SoftHSM is installed.",
        ),
    ] = None,
    master: Annotated[
        Path | None,
        typer.Option(help="File with the hex digits of a master key; default: a new one."),
    ] = None,
) -> None:
    """Make a development PKI, a master key and configurations that fit together."""
    plan = Plan(
        stations=tuple(station or Plan().stations),
        port=port,
        master=None if master is None else _read_master(master),
        module=softhsm_module(wanted=token),
    )
    loaded = make(directory, plan)
    hsm = loaded.config.hsm
    named = ", ".join(plan.stations)
    typer.echo(f"{directory}: a KLMS for development")
    typer.echo(f"  pki/          CA, server and its stations {named}")
    typer.echo(f"                {EXPIRED} and {REVOKED}: two certificates that are refused")
    if hsm is None:
        typer.echo("  master.key    the master key, for its owner's eyes only")
    else:
        typer.echo(f"  token/        SoftHSM token {hsm.token!r} with the master key")
    typer.echo("  klms.toml     configuration of the server")
    typer.echo("  station.toml  configuration of a station that fits")
    config = shlex.quote(str(directory / "klms.toml"))
    typer.echo("Next:")
    typer.echo(f"  kfasync klms import CONTAINERS --config {config}")
    typer.echo(f"  kfasync klms serve --config {config}")


@app.command()
def serve(
    config: Config = Path("klms.toml"),
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME or NAME=RATE, may be given again: "
            + ", ".join(one.value for one in fault_parsing.Fault)
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Of the faults, to repeat a run.")] = None,
    latency_ms: Annotated[int, typer.Option(min=0, help="Of the fault `latency`.")] = 500,
    retry_after_s: Annotated[int, typer.Option(min=0, help="Of the faults 429 and 503.")] = 1,
    lease_ms: Annotated[
        int, typer.Option(min=0, help="Take so long over every request for a lease.")
    ] = 0,
    ends_ms: Annotated[
        int, typer.Option(min=0, help="Take so long over every request that tells of ends.")
    ] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", help="Do not log requests.")] = False,
) -> None:
    """Serve until SIGTERM or Ctrl-C; each request is one line on stderr."""
    # Here, and not above: no other command has to wait for an HTTP server to be imported.
    from kfasync.klms.server import serve as serve_until_stopped

    loaded = load(config)
    faults = fault_parsing.Faults(
        fault_parsing.parse(fault or ()),
        seed=seed,
        latency_s=latency_ms / 1000,
        retry_after_s=retry_after_s,
        lease_s=lease_ms / 1000,
        ends_s=ends_ms / 1000,
    )
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO,
        format="%(asctime)s %(levelname).1s %(message)s",
    )
    # uvicorn's own lines say what ours say, or nothing that an operator needs.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    logging.getLogger("asyncio").setLevel(logging.ERROR)

    def announce(url: str, depot: Depot) -> None:
        typer.echo(f"reference KLMS on {url}")
        hsm = loaded.config.hsm
        where = f"in token {hsm.token!r}" if hsm is not None else "in the memory of this process"
        typer.echo(f"  master key  {where}")
        typer.echo(f"  pool        {loaded.pool}")
        for name in depot.standing.profiles():
            counts = depot.standing.counts(name)
            typer.echo(
                f"              {name}: {counts.free} free, {counts.leased} leased, "
                f"{counts.consumed} consumed, {counts.quarantined} quarantined"
            )
        if not depot.standing.profiles():
            typer.echo("              empty; fill it with `kfasync klms import`")
        if held := depot.standing.held(_LONG_S):
            typer.echo(f"              {len(held)} open for more than an hour: `kfasync klms open`")
        for one, rate in faults.rates.items():
            typer.echo(f"  fault       {one.value}, {rate:.0%} of the requests")

    serve_until_stopped(loaded, faults, announce)


@app.command("import")
def import_(
    directory: Annotated[Path, typer.Argument(help="Directory of <FESN>-<SPID> containers.")],
    config: Config = Path("klms.toml"),
    profile: Annotated[str, typer.Option(help="The pool they go to.")] = _PROFILE,
    certificates: Annotated[
        Path | None,
        typer.Option(help="Directory of the static certificates; default: beside DIRECTORY."),
    ] = None,
) -> None:
    """Add a batch of containers to the pool, all of it or nothing; a server may be running."""
    try:
        msgspec.convert(profile, Name)
    except msgspec.ValidationError:
        raise ConfigError(
            "profile", f"{profile!r} cannot name a profile; use 1 to 64 characters without spaces"
        ) from None
    count, free = fill_pool(
        load(config), directory, certificates or directory.parent / "certificates", profile
    )
    typer.echo(f"{count} imported into {profile}; {free} free")


def fill_pool(
    loaded: LoadedKlms, directory: Path, certificates: Path, profile: str
) -> tuple[int, int]:
    """Add a directory of containers to the pool; how many, and how many are free then.

    Raises:
        ContainerError: one of them is not as it should be, or there is none.
        SourceError: some of it is in the pool already.
    """
    static = read_certificates(certificates)
    vault = HeapVault()
    pieces = []
    for path in list_visible(directory):
        container = read_container(path, vault)
        pieces.append(
            Piece(
                container.content.fesn,
                container.content.spid,
                container.device_certificate,
                container.scalar,
                container.irk,
            )
        )
    if not pieces:
        raise ContainerError(directory, "holds no container")
    with open_depot(loaded) as depot:
        depot.stock.add(profile, Authorities(static.ica, static.cms_root), pieces)
        return len(pieces), depot.standing.counts(profile).free


@app.command("open")
def open_(
    config: Config = Path("klms.toml"),
    longer_than_s: Annotated[int, typer.Option(min=0, help="Since the last lease.")] = _LONG_S,
) -> None:
    """List the content that is bound to a unit and has been without an end for long."""
    with open_depot(load(config)) as depot:
        held, repeats = depot.standing.held(longer_than_s), depot.standing.repeats()
    for one in held:
        touched = "touched" if one.touched else "not known to be touched"
        stations = one.stations or "no station"
        typer.echo(
            f"{one.uid} {one.aid}  {one.profile}  {one.fesn}  {one.age_s / 3600:.1f} h  "
            f"open at {stations}, {touched}"
        )
    typer.echo(f"{len(held)} open for more than {longer_than_s} s")
    if repeats:
        typer.echo(f"{repeats} ends were told more than once, and applied once")


@app.command()
def release(
    uid: Annotated[str, typer.Argument(help="As `klms open` lists it.")],
    aid: Annotated[str, typer.Argument(help="As `klms open` lists it.")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the pool.")],
    config: Config = Path("klms.toml"),
    becomes: Annotated[
        Literal["free", "quarantined"],
        typer.Option("--as", help="free only when the fob was certainly never written."),
    ] = "quarantined",
) -> None:
    """End what no station will end: a decision of a person who has seen the fob."""
    if not reason.strip():
        raise ConfigError("reason", "--reason is empty; say why")
    with open_depot(load(config)) as depot:
        fesn = depot.standing.release(uid.upper(), aid.upper(), becomes=becomes, reason=reason)
    typer.echo(f"{fesn} is {becomes}")


def softhsm_module(*, wanted: bool | None) -> Path | None:
    """SoftHSM's library, when the master key goes into a token.

    Args:
        wanted: None for a token where there can be one.

    Raises:
        ConfigError: it is wanted, and something for it is not installed.
    """
    if wanted is False:
        return None
    try:
        from kfasync.klms import softhsm
    except ImportError:
        module, missing = None, "python-pkcs11; install it with `pip install 'kfasync[hsm]'`"
    else:
        module, missing = softhsm.find(), "SoftHSM; on Debian, `apt install softhsm2`"
    if wanted and module is None:
        raise ConfigError("token", f"--token needs {missing}")
    return module


def _read_master(path: Path) -> Secret:
    try:
        master = Secret.from_hex(path.read_text("utf-8").strip())
    except OSError as error:
        raise ConfigError("master", f"{path}: cannot be read ({error.strerror})") from error
    except ValueError:
        raise ConfigError("master", f"{path}: not hex digits") from None
    if len(master) not in (16, 24, 32):
        raise ConfigError("master", f"{path}: not 32, 48 or 64 hex digits")
    return master

"""``kfasync config``: print a configuration, and say what is wrong with one."""

from pathlib import Path
from typing import Annotated

import typer

from kfasync.cli.loop import Loop, LoopOption, run_on
from kfasync.crypto.choose import describe
from kfasync.errors import ConfigError
from kfasync.station.config import (
    TEMPLATE,
    ContainersSection,
    KlmsSection,
    LoadedConfig,
    ProviderSection,
    load,
)
from kfasync.station.pin import hash_pin

app = typer.Typer(name="config", no_args_is_help=True)


@app.command()
def template() -> None:
    """Print a commented configuration."""
    typer.echo(TEMPLATE, nl=False)


@app.command()
def pin() -> None:
    """Print the line lead's PIN as `web.lead_pin` takes it; it is asked for, and not shown."""
    said = typer.prompt("PIN, 6 to 12 digits", hide_input=True, confirmation_prompt=True, err=True)
    try:
        typer.echo(f'lead_pin = "{hash_pin(said)}"')
    except ValueError as error:
        raise ConfigError("web.lead_pin", str(error)) from None


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="A station.toml.")],
    online: Annotated[
        bool, typer.Option("--online", help="Ask the key server of [source] too.")
    ] = False,
    loop: LoopOption = Loop.ASYNCIO,
) -> None:
    """Say what is wrong with a configuration file, or what it says."""
    loaded = load(file)
    card = loaded.config.card
    lanes = ", ".join(loaded.config.lanes) or "every PC/SC reader"
    if loaded.config.scouts:
        lanes += f"; scouts: {', '.join(loaded.config.scouts)}"
    _look(loaded)
    typer.echo(f"{file}: good")
    typer.echo(f"  station   {loaded.config.station.id}, lanes: {lanes}")
    typer.echo(
        f"  card      AID {card.aid}, key version {card.key_version}, "
        f"SCP03 {card.scp03_mode.value} at security level {card.security_level.value}, "
        f"blocks of {card.plan.block_size} bytes"
    )
    _source(loaded)
    typer.echo(f"  {describe(loaded.config.crypto.choose())}")
    if online:
        _online(loaded, loop)


def _look(loaded: LoadedConfig) -> None:
    """Whether what the file names is there; what is in it is looked at by whoever opens it."""
    match loaded.config.source:
        case ProviderSection() as source:
            named = {"source.library": source.library}
        case KlmsSection() as source:
            named = {
                "source.ca": source.ca,
                "source.certificate": source.certificate,
                "source.key": source.key,
            }
        case ContainersSection() as source:
            named = {"source.path": source.path, "source.certificates": source.certificates}
    web = loaded.config.web
    if web is not None and web.certificate is not None and web.key is not None:
        named |= {"web.certificate": web.certificate, "web.key": web.key}
    for key, path in named.items():
        if not loaded.resolve(path).exists():
            raise ConfigError(key, f"{key}: there is nothing at {loaded.resolve(path)}")


def _source(loaded: LoadedConfig) -> None:
    match loaded.config.source:
        case ProviderSection() as source:
            typer.echo(f"  content   {source.library}, SHA-256 {source.sha256.lower()}")
        case KlmsSection() as source:
            typer.echo(f"  content   key server {source.url}")
            typer.echo(f"  identity  {loaded.resolve(source.certificate)}")
        case ContainersSection() as source:
            kcv = loaded.config.key_set().kcv
            typer.echo(f"  content   {loaded.resolve(source.path)}")
            typer.echo(
                f"  keys      {8 * len(source.keys.enc)} bits, check values ENC "
                f"{kcv.enc.hex().upper()}, MAC {kcv.mac.hex().upper()}, DEK {kcv.dek.hex().upper()}"
            )


def _online(loaded: LoadedConfig, loop: Loop) -> None:
    # Here, and not above: nothing else here has to wait for an HTTP client to be imported.
    from kfasync.station.inquiry import inquire

    if not isinstance(loaded.config.source, KlmsSection):
        raise ConfigError("--online", '--online is for [source] kind = "klms": there is no server')
    found = run_on(loop, inquire, loaded)
    key_store = {"pkcs11": "a token", "memory": "the memory of the server"}[found.key_store]
    typer.echo(f"  server    answers over TLS 1.3, in {found.took_ms:.0f} ms")
    typer.echo(
        f"  leases    {found.ttl_s} s, {found.ttl_max_s} s at most; master key in {key_store}"
    )
    typer.echo(
        f"  pool      {found.pool.profile}: {found.pool.free} free, {found.pool.leased} leased, "
        f"{found.pool.consumed} consumed, {found.pool.quarantined} quarantined"
    )
    for warning in found.warnings:
        typer.echo(f"  warning   {warning}")

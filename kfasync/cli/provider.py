"""``kfasync provider``: hold a vendor's library against the interface before a station has it."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from kfasync.acceptance.examiner import Introduction, Verdict
from kfasync.acceptance.run import (
    DEADLINE_S,
    NAMES,
    Examiner,
    contents_needed,
)
from kfasync.acceptance.trial import Job
from kfasync.errors import ConfigError
from kfasync.sources.provider.library import digest

app = typer.Typer(name="provider", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps ``check`` a command of its own while it is the only one."""


@app.command()
def check(
    library: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, resolve_path=True, help="The shared library."),
    ],
    config: Annotated[
        Path | None,
        typer.Option(help="JSON file: what the library is opened with. Name a test pool in it."),
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option(help="Run this check only; may be given again.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the made-up fobs, to repeat a run.")
    ] = None,
    sha256: Annotated[str | None, typer.Option(help="Refuse a file of another hash.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The verdicts on stdout.")] = False,
) -> None:
    """Try on a library what a station will do with it, and what it must withstand.

    The checks use content up: give the library a pool that was made for them.
    """
    found = digest(library)
    if sha256 is not None and found != sha256.lower():
        raise ConfigError("sha256", f"{library}: its SHA-256 is {found}, and not {sha256}")
    seed = secrets.randbits(32) if seed is None else seed
    job = Job(str(library), _read_config(config), seed, _chosen(only), DEADLINE_S)
    with Examiner() as examiner:
        introduction, verdicts = examiner.examine(job)
        failed = (_print_json if as_json else _print_text)(job, found, introduction, verdicts)
    if failed:
        raise typer.Exit(1)


def _chosen(only: list[str] | None) -> tuple[str, ...]:
    for name in only or ():
        if name not in NAMES:
            raise typer.BadParameter(f"{name} is no check; there are: {', '.join(NAMES)}")
    return tuple(name for name in NAMES if not only or name in only)


def _read_config(path: Path | None) -> dict[str, object]:
    if path is None:
        return {}
    try:
        read = json.loads(path.read_bytes())
    except OSError as error:
        raise ConfigError("config", f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise ConfigError("config", f"{path}: not JSON ({error})") from error
    if not isinstance(read, dict):
        raise ConfigError("config", f"{path}: not a JSON object")
    return read


def _print_text(
    job: Job, sha256: str, introduction: Introduction, verdicts: Iterator[Verdict]
) -> int:
    named = f"{introduction.name} {introduction.version}".strip()
    typer.echo(f"{job.library}: {named or 'does not open'}")
    typer.echo(f"  SHA-256   {sha256}")
    typer.echo(f"  seed      {job.seed}; up to {contents_needed(job)} contents of the pool")
    if introduction.trouble is not None:
        typer.echo(f"  trouble   {introduction.trouble}")
    failed = unopened = 0
    for verdict in verdicts:
        if verdict.finding is None:
            remark = f" ({verdict.remark})" if verdict.remark else ""
            typer.echo(f"  ok        {verdict.name}{remark}")
        elif verdict.finding == introduction.trouble:
            unopened += 1  # said once, above
        else:
            failed += 1
            typer.echo(f"  FAILED    {verdict.name}: {verdict.finding}")
            typer.echo(f"            why it matters: {verdict.reason}")
    if unopened:
        failed += unopened
        typer.echo(f"  FAILED    {unopened} checks, all of them by the trouble above")
    if failed:
        typer.echo(f"{failed} of {len(job.names)} checks failed; a station must not have it")
    else:
        typer.echo(f"all {len(job.names)} checks passed")
    return failed


def _print_json(
    job: Job, sha256: str, introduction: Introduction, verdicts: Iterator[Verdict]
) -> int:
    checks = [
        {
            "name": one.name,
            "reason": one.reason,
            "finding": one.finding,
            "remark": one.remark,
            "duration_s": one.duration_s,
        }
        for one in verdicts
    ]
    failed = sum(one["finding"] is not None for one in checks)
    report = {
        "library": job.library,
        "sha256": sha256,
        "name": introduction.name,
        "version": introduction.version,
        "trouble": introduction.trouble,
        "seed": job.seed,
        "contents": contents_needed(job),
        "checks": checks,
        "failed": failed,
    }
    typer.echo(json.dumps(report, indent=2))
    return failed

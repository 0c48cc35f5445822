"""The command line: what the commands are called, and what becomes of an error."""

import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import typer

import kfasync
from kfasync.cli import (
    bench,
    config,
    containers,
    demo,
    fob,
    klms,
    lanes,
    ledger,
    provider,
    provision,
    readers,
    run,
    selftest,
)
from kfasync.errors import KfError

app = typer.Typer(
    name="kfasync",
    help="End-of-Line provisioning of NFC key fobs over GlobalPlatform SCP03.",
    epilog="Exit codes: 0 pass, 1 the fob failed, 2 usage or configuration, "
    "3 station or source not available, 4 reader or card link.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(demo.demo)
app.command("self-test")(selftest.self_test)
app.command()(provision.provision)
app.command()(run.run)
app.command()(readers.readers)
for group, text in (
    (containers.app, "Directories of fob content."),
    (fob.app, "Simulated fobs."),
    (config.app, "Configuration files."),
    (provider.app, "The vendor's content-provider library."),
    (lanes.app, "The lanes of a station that runs."),
    (ledger.app, "What is issued and unfinished, and a person's word on it."),
    (klms.app, "The reference key server."),
    (bench.app, "What things cost on this machine."),
):
    app.add_typer(group, help=text)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kfasync {kfasync.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print and exit.")
    ] = False,
) -> None:
    """Options of every command; ``--version`` does its work before this is called."""


# An odd name or number in a certificate is its issuer's affair, and no line between the bars.
_ODD_CERTIFICATE = "Attribute's length must be|Parsed a serial number which wasn't positive"


_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an expected error is one sentence and its exit code."""
    warnings.filterwarnings("ignore", _ODD_CERTIFICATE, UserWarning)
    command = typer.main.get_command(app)
    _show_no_types(command)
    try:
        command(args=arguments, prog_name="kfasync")
    except KfError as error:
        print(f"kfasync: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except SystemExit as ending:
        # Two ends that typer makes silent, and that are one line each here (kfasync.__main__).
        if ending.code == _INTERRUPTED:
            raise KeyboardInterrupt from None
        if type(sys.stdout).__name__ == "PacifyFlushWrapper":
            raise BrokenPipeError from None
        raise


def _show_no_types(command: Any) -> None:
    """Help without ``<bool>`` at a flag, which takes no value, and with one word for a list."""
    for parameter in command.params:
        if getattr(parameter, "is_flag", False):
            parameter.metavar = ""
        elif parameter.multiple if hasattr(parameter, "multiple") else False:
            parameter.metavar = "<str>"
    for below in getattr(command, "commands", {}).values():
        _show_no_types(below)

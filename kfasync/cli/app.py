"""The command line: what the commands are called, and what becomes of an error."""

import importlib
import sys
import warnings
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer

import kfasync
from kfasync.errors import KfError

# A command's module is imported when it is called for: none waits for what only others need.
_COMMANDS = ("demo", "self-test", "provision", "run", "readers")
_GROUPS = {
    "containers": "Directories of fob content.",
    "fob": "Simulated fobs.",
    "config": "Configuration files.",
    "provider": "The vendor's content-provider library.",
    "lanes": "The lanes of a station that runs.",
    "ledger": "What is issued and unfinished, and a person's word on it.",
    "shift": "The check list before a batch.",
    "klms": "The reference key server.",
    "bench": "What things cost on this machine.",
}
_NAMES = (*_COMMANDS, *_GROUPS)


def _command_line(names: Iterable[str]) -> Any:
    """The command line with these commands, of those in `_NAMES`."""
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
    app.callback()(_options)
    for name in names:
        if name in _GROUPS:
            module = importlib.import_module(f"kfasync.cli.{name}")
            app.add_typer(module.app, help=_GROUPS[name])
        else:
            module = importlib.import_module(f"kfasync.cli.{name.replace('-', '')}")
            app.command(name)(getattr(module, name.replace("-", "_")))
    return typer.main.get_command(app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kfasync {kfasync.__version__}")
        raise typer.Exit


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
    words = sys.argv[1:] if arguments is None else arguments
    # No option before the command has a value, so the first other word is its name.
    called = next((word for word in words if not word.startswith("-")), "")
    command = _command_line((called,) if called in _NAMES else _NAMES)
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

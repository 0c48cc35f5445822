"""``python -m kfasync``, and what the installed ``kfasync`` calls."""

import os
import signal
import sys

_INTERRUPTED_CODE = 130  # as a shell says it of SIGINT
_PIPE_CODE = 141  # and of SIGPIPE


def main() -> None:
    """Run the command line; what ends it early is a line and an exit code, never a traceback."""
    try:
        # Not above: importing everything takes a moment, and Ctrl-C may come in it.
        from kfasync.cli.app import main as run

        try:
            run()
        finally:
            # Here and not when the interpreter ends, which can only complain.
            sys.stdout.flush()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one is enough
        _end("interrupted; a half-written fob is asked for at the next start", _INTERRUPTED_CODE)
    except BrokenPipeError:
        # What is left to be written has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _end("nobody reads the output any more", _PIPE_CODE)


def _end(sentence: str, code: int) -> None:
    print(f"kfasync: {sentence}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()

"""What a test's own processes are started with."""

import signal


def as_in_a_terminal() -> None:
    """A ``preexec_fn``: Ctrl-C reaches the process.

    Of a test run in the background of a shell it would inherit SIGINT ignored.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)

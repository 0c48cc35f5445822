"""Python's garbage collector in a station that is ready: what lives as long as it is let alone."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def settled() -> Iterator[None]:
    """Leave out of every collection what is there now, for as long as the context is open.

    A full collection walks all modules, classes and statements, finds nothing, and keeps every
    lane waiting meanwhile: some 90 ms, in which a fob makes four exchanges. What comes and goes
    with fobs is collected as ever.
    """
    gc.collect()  # or garbage would stay
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

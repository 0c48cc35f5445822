"""The page's process; started by :mod:`kfasync.web.keeper`, never by a person."""

import sys

import msgspec

from kfasync.web.server import serve
from kfasync.web.settings import Settings

if __name__ == "__main__":
    serve(msgspec.json.decode(sys.stdin.buffer.read(), type=Settings))

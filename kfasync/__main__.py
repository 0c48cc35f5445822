"""``python -m kfasync``."""

from kfasync.cli.app import main

main()

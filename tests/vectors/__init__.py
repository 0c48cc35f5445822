"""Known answers from published test suites; each entry of scp03.json names its source."""

import json
from pathlib import Path
from typing import Any

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    Path(__file__).with_name("scp03.json").read_text("ascii")
)


def verified(kind: str) -> list[dict[str, Any]]:
    """The entries of one kind that were recomputed independently of their source."""
    return [entry for entry in VECTORS[kind] if entry["verified"]]


def name(entry: dict[str, Any]) -> str:
    """A test id for an entry."""
    return str(entry.get("name", entry.get("key", ""))[:40])

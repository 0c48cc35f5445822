"""Known answers from published test suites; each entry of scp03.json names its source."""

import json
from pathlib import Path
from typing import Any

VECTORS: dict[str, Any] = json.loads(Path(__file__).with_name("scp03.json").read_text("ascii"))
ENTRIES: dict[str, list[dict[str, Any]]] = {
    kind: entries
    for kind, entries in VECTORS.items()
    if isinstance(entries, list) and all("verified" in entry for entry in entries)
}
#: Entries that a suite has asked for, by kind and name.
TAKEN: set[tuple[str, str]] = set()


def verified(kind: str, begins: str = "", *, of: str = "") -> list[dict[str, Any]]:
    """The entries of one kind that were recomputed independently of their source.

    Args:
        begins: of the entry's name.
        of: what the entry's own kind begins with.
    """
    entries = [
        entry
        for entry in ENTRIES[kind]
        if entry["verified"]
        and name(entry).startswith(begins)
        and entry.get("kind", "").startswith(of)
    ]
    assert entries, f"no entry of {kind} is called {begins}* or is of kind {of}*"
    TAKEN.update((kind, name(entry)) for entry in entries)
    return entries


def entry(kind: str, called: str) -> dict[str, Any]:
    """The one entry whose name begins like this."""
    (found,) = verified(kind, called)
    return found


def name(entry: dict[str, Any]) -> str:
    """A test id for an entry."""
    return str(entry.get("name", entry.get("key", ""))[:40])

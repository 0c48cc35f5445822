"""What is handed to the auditor: how fobs and operators ended up, as plain JSON."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kfasync.sim.applet import Lifecycle
from kfasync.sim.personalization import Dgi
from tests.soak.line import LinedFob
from tests.soak.operator import Shown
from tests.soak.plan import Plan
from tests.soak.process import Entry, Size


def write(
    path: Path,
    plan: Plan,
    fobs: Mapping[int, LinedFob],
    shown: Mapping[int, Shown],
    results: Iterable[Entry],
    sizes: Sequence[Size],
) -> None:
    """Everything that is not in the books of station and key server."""
    path.write_text(
        json.dumps(
            {
                "fobs": [
                    {
                        "number": one.number,
                        "uid": one.uid,
                        "fate": one.fate.value,
                        "conversations": fobs[one.number].conversations,
                        "strikes": fobs[one.number].strikes,
                        "shown": shown[one.number].dispositions,
                        "away": shown[one.number].away,
                        **_holds(fobs[one.number]),
                    }
                    for one in plan.fobs
                ],
                "results": [
                    {name: entry.get(name) for name in ("attempt", "uid", "disposition")}
                    for entry in results
                ],
                "sizes": [
                    {name: getattr(size, name) for name in size.__struct_fields__} for size in sizes
                ],
            },
            indent=1,
        ),
        "utf-8",
    )


def _holds(one: LinedFob) -> dict[str, Any]:
    """What a fob says of itself; of what is secret a digest."""
    fob = one.fob
    stored = {dgi: bytes(secret.expose()) for dgi, secret in fob.stored.items()}
    is_factory = fob.lifecycle is Lifecycle.FACTORY
    return {
        "state": fob.lifecycle.value,
        "personalizations": fob.personalizations,
        "transports": len(fob.transports),
        "spid": stored[Dgi.SPID].decode().upper() if is_factory else None,
        "certificate": stored[Dgi.DEVICE_CERTIFICATE].hex() if is_factory else None,
        "private_key_sha256": _digest(stored[Dgi.PRIVATE_KEY]) if is_factory else None,
        "irk_sha256": _digest(stored[Dgi.IRK]) if is_factory else None,
    }


def _digest(secret: bytes) -> str:
    return hashlib.sha256(secret).hexdigest()

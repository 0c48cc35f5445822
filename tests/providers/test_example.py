"""The example of the guide does what it is an example of: a fob is provisioned with its content."""

import json
from pathlib import Path

import pytest

from kfasync.acceptance.observed import DEK, ENC, MAC, parts
from kfasync.acceptance.subject import Subject
from kfasync.model import KeyCheckValues, KeySet, Unit
from kfasync.secret import Secret
from kfasync.sim.fob import CONTACTLESS_ATR, SimulatedFob
from kfasync.sources.provider.library import digest
from kfasync.station.config import load
from kfasync.station.events import LaneEvent
from kfasync.station.rehearsal import rehearse
from tests.acceptance.examined import example

UID, AID = bytes.fromhex("04010203040506"), bytes.fromhex("A000000857")


def keys_of_its_fob(library: Path, config: dict[str, str]) -> KeySet:
    """The static keys that the library has for the fob, asked for before the station does."""
    session = Subject.load(str(library)).open(json.dumps(config).encode())
    lease = session.lease(Unit(UID, UID, CONTACTLESS_ATR, AID, "jcop4-fob"))
    session.close()
    block = {part.tag: lease.secrets[part.start : part.end] for part in parts(lease.secrets, 1, 2)}
    enc, mac, dek = (Secret(block[tag]) for tag in (ENC, MAC, DEK))
    kcv = (lease.kcv[at : at + 3] for at in (0, 3, 6))
    return KeySet(lease.kvn, enc, mac, dek, KeyCheckValues(*kcv))


@pytest.mark.anyio
async def test_a_simulated_fob_is_provisioned_from_it(tmp_path: Path) -> None:
    library, config = example(), {"state": str(tmp_path / "state")}
    (tmp_path / "station.toml").write_text(
        f'[station]\nid = "example"\n[source]\nkind = "provider"\nlibrary = "{library}"\n'
        f'sha256 = "{digest(library)}"\nconfig = {{ state = "{config["state"]}" }}\n'
        '[crypto]\nlocked_memory = "preferred"\n',
        "utf-8",
    )
    fob = SimulatedFob(uid=UID, keys=keys_of_its_fob(library, config))
    seen: list[LaneEvent] = []
    await rehearse(load(tmp_path / "station.toml"), seen.append, ["simulated"], [fob])
    (record,) = (event.record for event in seen if event.record is not None)
    assert (record.outcome, record.provider) == ("pass", "minimal example 1.0")
    assert fob.personalizations == 1

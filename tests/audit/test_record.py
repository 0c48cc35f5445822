"""A record for every attempt, and nothing secret in it."""

import base64
import json
from pathlib import Path

import msgspec
import pytest

from kfasync.audit.log import FILE_NAME
from kfasync.audit.record import AttemptRecord
from kfasync.sim.faults import FaultKind
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.personalization import Dgi
from tests.station.desks import BLOCK_5, FIRST_BLOCK, LAST_BLOCK, floor, furnish


def lines(directory: Path) -> list[str]:
    return (directory / FILE_NAME).read_text("utf-8").splitlines()


@pytest.mark.anyio
async def test_every_attempt_has_its_line_with_sorted_keys(tmp_path: Path) -> None:
    async with floor(furnish(tmp_path)) as place:
        fob = place.fobs.faulty(FaultKind.TORN_BEFORE, BLOCK_5)
        for _ in range(3):
            await place.serve("A", fob)
        shown = place.records()
    written = lines(tmp_path / "var")
    assert [json.loads(line)["disposition"] for line in written] == [
        "bound",
        "pass",
        "already-provisioned",
    ]
    for line, record in zip(written, shown, strict=True):
        assert line == json.dumps(json.loads(line), separators=(",", ":"), sort_keys=True)
        assert msgspec.json.decode(line, type=AttemptRecord) == record


def spellings(secret: bytes) -> set[str]:
    """Hex and every base64 that a longer text could hold it in."""
    found = {secret.hex()}
    for shift in range(3):
        text = base64.b64encode(bytes(shift) + secret + bytes(3)).decode()
        # Without the characters that depend on what stands before and after.
        found.add(text[4 * (shift > 0) : 4 * ((shift + len(secret)) // 3)].lower())
    return found


def secrets_of(fob: SimulatedFob, keys: list[bytes]) -> dict[str, bytes]:
    stored = {dgi.name: bytes(value.expose()) for dgi, value in fob.stored.items()}
    del stored[Dgi.SPID.name]  # the record names it
    return stored | {f"key {number}": key for number, key in enumerate(keys)}


@pytest.mark.anyio
async def test_no_record_holds_what_the_fob_was_given(tmp_path: Path) -> None:
    fobs = []
    async with floor(furnish(tmp_path)) as place:
        keys = [bytes(k.expose()) for k in (place.fobs.keys.enc, place.fobs.keys.mac)]
        keys.append(bytes(place.fobs.keys.dek.expose()))
        # Torn in each kind of stage, so that there are transcripts of every length.
        for at in (FIRST_BLOCK, LAST_BLOCK):
            fob = place.fobs.faulty(FaultKind.TORN_AFTER, at)
            fobs.append(fob)
            for _ in range(3):
                await place.serve("A", fob)
    text = "".join(lines(tmp_path / "var")).lower()
    for fob in fobs:
        given = secrets_of(fob, keys)
        assert len(given) == 8
        for name, secret in given.items():
            # 16 bytes of a certificate are as telling as all of it.
            for part in (secret[:16], secret[-16:]):
                assert not {one for one in spellings(part) if one in text}, name
    assert '"security_level":"01"' in text
    # The search can find something: what may be known is there.
    # Four letters of a spelling can be found in any digest.
    told = {one for one in spellings(fob.uid) if len(one) > 4 and one in text}
    assert told == {fob.uid.hex()}


@pytest.mark.parametrize("before", [b"", b"x", b"xy"])
def test_the_search_for_secrets_finds_them_inside_of_longer_text(before: bytes) -> None:
    secret = bytes(range(100, 116))
    around = before + secret + b"more"
    for text in (around.hex(), base64.b64encode(around).decode().lower()):
        assert [one for one in spellings(secret) if one in text]

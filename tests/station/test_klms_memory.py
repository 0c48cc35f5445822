"""On the native path a fob's secrets from a key server are in locked memory, and nowhere else.

Three processes: the key server, a station that is searched, and this one, which has the fobs. The
station's whole memory is searched while each of the first fobs is being written, and after all of
them.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

import pytest

from kfasync.klms.stock import Piece
from kfasync.sim.fob import SimulatedFob
from tests.klms.world import ServerProcess, make_pieces
from tests.station.desks import PROFILE, uid
from tests.station.keyserver import keys_of_fob, make_klms, pool
from tests.station.test_locked_memory import HOST_CHALLENGE, found_in, say

FOBS, SEARCHED = 20, 3
PROGRAM = """
import json, sys
from pathlib import Path
import anyio
from kfasync.contracts.sources import End, EndKind
from kfasync.core.profile import CardProfile, Level
from kfasync.crypto.choose import choose
from kfasync.model import Opening, Outcome, Touched, Unit
from kfasync.sources.klms.credentials import Files
from kfasync.sources.klms.source import KlmsSource

class Register:
    digest_key = bytes(32)

    def adopt(self, unit, fence, content, fingerprint, *, pool, lease_id):
        self.content = content

asked = json.loads(sys.argv[1])
pki, profile, path = Path(asked["pki"]), CardProfile(security_level=Level("33")), choose("native")
files = Files(pki / "ca.pem", pki / "EOL-01.pem", pki / "EOL-01.key")
planted = bytes.fromhex(sys.stdin.readline()) if asked["plant"] else b""

def hear():
    return json.loads(sys.stdin.readline())

def tell(what):
    print(json.dumps(what), flush=True)

async def one(source, fob):
    uid, aid = bytes.fromhex(fob["uid"]), bytes.fromhex(fob["aid"])
    parcel = await source.fetch(Unit(uid, uid, b"", bytes.fromhex(profile.aid), asked["profile"]))
    lease = source.adopt(parcel)
    slot = path.load(lease.keys)
    opening = Opening(
        host_challenge=bytes.fromhex(asked["host_challenge"]),
        answer=bytes.fromhex(fob["answer"]),
        key_version=255,
        security_level=profile.level,
        scp03_mode=profile.scp03_mode,
        layouts=profile.layouts,
        aid=aid,
    )
    channel, commands = slot.open_and_wrap(opening, lease.items, profile.plan)
    tell([lease.content.fesn, len(commands)])
    sys.stdin.readline()
    channel.close()
    slot.wipe()
    for secret in lease.secrets:
        secret.wipe()
    end = End(uid, lease.lease_id, EndKind.COMMIT, Outcome.PASS, Touched.UNKNOWN, "")
    assert list(await source.tell([end])) == [None]

async def main():
    source = KlmsSource(
        asked["url"], files, "EOL-01", Path(asked["directory"]), Register(), path
    )
    await source.open()
    for _ in range(asked["fobs"]):
        await one(source, hear())
        tell("told")
        sys.stdin.readline()
    await source.close()

anyio.run(main, backend=asked["loop"])
"""


class Station:
    """The process that is searched."""

    def __init__(self, server: ServerProcess, directory: Path, loop: str, plant: bytes) -> None:
        asked = {
            "url": server.url.replace("127.0.0.1", "localhost"),
            "pki": str(server.pki),
            "directory": str(directory),
            "profile": PROFILE,
            "host_challenge": HOST_CHALLENGE,
            "fobs": FOBS,
            "loop": loop,
            "plant": bool(plant),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, json.dumps(asked)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if plant:
            self.say(plant.hex())

    def say(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def go_on(self) -> None:
        say(self.process.stdin)

    def hear(self) -> Any:
        stream: IO[str] | None = self.process.stdout
        assert stream is not None
        return json.loads(stream.readline())

    def search(self, secrets: dict[str, bytes]) -> list[tuple[str, bool]]:
        return found_in(self.process.pid, secrets)

    def end(self) -> int:
        self.process.communicate(timeout=60)
        return self.process.returncode


def secrets_of(klms: Path, number: int, piece: Piece) -> dict[str, bytes]:
    keys = keys_of_fob(klms, uid(number))
    return {
        "Key-ENC": bytes(keys.enc.expose()),
        "Key-MAC": bytes(keys.mac.expose()),
        "Key-DEK": bytes(keys.dek.expose()),
        "scalar": bytes(piece.scalar.expose()),
        "IRK": bytes(piece.irk.expose()),
    }


def placed(klms: Path, number: int) -> dict[str, str]:
    """What a fob says of itself up to INITIALIZE UPDATE."""
    fob = SimulatedFob(uid=uid(number), keys=keys_of_fob(klms, uid(number)))
    fci = fob.transmit(bytes.fromhex("00A4040005A00000085700"))
    answer = fob.transmit(bytes.fromhex(f"8050FF0008{HOST_CHALLENGE}00"))
    return {
        "uid": uid(number).hex(),
        "aid": fci[4 : 4 + fci[3]].hex(),
        "answer": answer[:-2].hex(),
    }


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_secrets_are_in_locked_memory_and_nowhere_else(tmp_path: Path, loop: str) -> None:
    pieces = {piece.fesn: piece for piece in make_pieces(FOBS)}
    klms = make_klms(tmp_path / "dev", 0, list(pieces.values()))
    (tmp_path / "var").mkdir()
    written: dict[str, bytes] = {}
    planted = b"a copy that somebody forgot....."
    with ServerProcess(klms, "--quiet") as server:
        station = Station(server, tmp_path / "var", loop, planted)
        for number in range(FOBS):
            station.say(json.dumps(placed(klms, number)))
            fesn, commands = station.hear()
            assert commands == 12
            secrets = secrets_of(klms, number, pieces[fesn])
            if number < SEARCHED:
                during = station.search(secrets)
                # They are all there, or this test looks in the wrong place.
                assert {name for name, _ in during} == set(secrets)
                assert [name for name, locked in during if not locked] == []
            written |= {f"{name} of fob {number}": value for name, value in secrets.items()}
            station.go_on()
            assert station.hear() == "told"
            if number == FOBS - 1:
                assert station.search(written) == []
                # A copy that is there is found, and not in locked memory.
                assert ("planted", False) in station.search({"planted": planted})
            station.go_on()
        assert station.end() == 0
        assert pool(server) == (0, 0, FOBS, 0)

"""On the native path a fob's secrets are in locked memory, and nowhere else in the process.

Another process leases a fob's content from a vendor's library, opens the session and wraps
everything; from here its whole memory is searched, while the session is open and afterwards.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import IO

from kfasync.crypto.heap import HeapVault
from kfasync.model import KeySet
from kfasync.sim.fob import SimulatedFob
from kfasync.sources.container import read_container
from kfasync.sources.provider.library import digest
from tests.native_build import reference_provider, stock
from tests.pcscd.floor import sample_keys
from tests.station.desks import uid

HOST_CHALLENGE = "A5C3E1F00F1E3C5A"
PROGRAM = """
import json, sys
from pathlib import Path
import anyio
from kfasync.core.profile import CardProfile, Level
from kfasync.crypto.choose import choose
from kfasync.contracts.sources import End, EndKind
from kfasync.model import Opening, Outcome, Touched, Unit
from kfasync.sources.provider.source import ProviderSource

class Register:
    digest_key = bytes(32)

    def adopt(self, unit, fence, content, fingerprint, *, pool, lease_id):
        self.content = content

asked, profile = json.loads(sys.argv[1]), CardProfile(security_level=Level("33"))
path, register, uid = choose("native"), Register(), bytes.fromhex(asked["uid"])
source = ProviderSource(
    Path(asked["library"]), asked["sha256"], asked["config"], register, path.vault
)
anyio.run(source.open)
lease = source.adopt(anyio.run(source.fetch, Unit(uid, uid, b"", bytes(5), "profile")))
slot = path.load(lease.keys)
opening = Opening(
    host_challenge=bytes.fromhex(asked["host_challenge"]),
    answer=bytes.fromhex(asked["answer"]),
    key_version=255,
    security_level=profile.level,
    scp03_mode=profile.scp03_mode,
    layouts=profile.layouts,
    aid=bytes.fromhex(asked["aid"]),
)
channel, commands = slot.open_and_wrap(opening, lease.items, profile.plan)
print(json.dumps([register.content.fesn, register.content.spid, len(commands)]), flush=True)
sys.stdin.readline()
channel.close()
slot.wipe()
for secret in lease.secrets:
    secret.wipe()
end = End(uid, lease.lease_id, EndKind.COMMIT, Outcome.PASS, Touched.UNKNOWN, "")
assert anyio.run(source.tell, [end]) == [None]
print("told", flush=True)
sys.stdin.readline()
anyio.run(source.close)
"""


def found_in(pid: int, secrets: dict[str, bytes]) -> list[tuple[str, bool]]:
    """Each place where a secret is: its name, and whether the memory is locked and not dumped."""
    found = []
    smaps = Path(f"/proc/{pid}/smaps").read_text()
    regions = re.findall(r"(?ms)^([0-9a-f]+)-([0-9a-f]+) (rw\S+) .*?^VmFlags: (.*?)$", smaps)
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for start, end, _, flags in regions:
            memory.seek(int(start, 16))
            try:
                held = memory.read(int(end, 16) - int(start, 16))
            except OSError:
                continue  # gone since it was listed, or the kernel's own
            locked = {"lo", "dd"} <= set(flags.split())
            found += [
                (name, locked)
                for name, secret in secrets.items()
                for _ in range(held.count(secret))
            ]
    return found


def answer_of_a_fob(keys: KeySet) -> tuple[str, str]:
    fob = SimulatedFob(uid=uid(1), keys=keys)
    fci = fob.transmit(bytes.fromhex("00A4040005A00000085700"))
    answer = fob.transmit(bytes.fromhex(f"8050FF0008{HOST_CHALLENGE}00"))
    return fci[4 : 4 + fci[3]].hex(), answer[:-2].hex()


def say(stream: IO[str] | None) -> None:
    assert stream is not None
    stream.write("\n")
    stream.flush()


def test_secrets_are_in_locked_memory_and_nowhere_else(tmp_path: Path) -> None:
    keys, config, library = sample_keys(), stock(tmp_path, 2), reference_provider()
    aid, answer = answer_of_a_fob(keys)
    asked = {
        "uid": uid(1).hex(),
        "library": str(library),
        "sha256": digest(library),
        "config": config,
        "host_challenge": HOST_CHALLENGE,
        "answer": answer,
        "aid": aid,
    }
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM, json.dumps(asked)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout is not None
        fesn, spid, commands = json.loads(child.stdout.readline())
        container = read_container(tmp_path / "containers" / f"{fesn}-{spid}", HeapVault())
        secrets = {
            "Key-ENC": bytes(keys.enc.expose()),
            "Key-MAC": bytes(keys.mac.expose()),
            "Key-DEK": bytes(keys.dek.expose()),
            "scalar": bytes(container.scalar.expose()),
            "IRK": bytes(container.irk.expose()),
        }
        during = found_in(child.pid, secrets)
        say(child.stdin)
        assert child.stdout.readline() == "told\n"
        after = found_in(child.pid, secrets)
        say(child.stdin)
    assert child.returncode == 0
    assert commands == 12
    # While the session is open they are all there, or this test looks in the wrong place.
    assert {name for name, _ in during} == set(secrets)
    assert {name for name, locked in during if not locked} == set()
    assert after == []

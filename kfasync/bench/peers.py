"""What others take for the same commands, where they are installed.

yubikit (package yubikey-manager, 5.9 or later) speaks SCP03 to YubiKeys. Its handshake is
given the fob's answer; its processor then secures the STORE DATA commands at level 01, and
what it would send is kept. It does not recompute the card challenge, and keys each CMAC anew.
"""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import Any

from kfasync.bench.machine import version_of
from kfasync.bench.rounds import Candidate, Family, timed
from kfasync.bench.task import Task
from kfasync.core import dgi
from kfasync.core.apdu import CommandApdu
from kfasync.crypto.openssl import OpensslAes
from kfasync.errors import CryptoPathError

YUBIKIT = "fob/yubikit"
PACKAGE = "yubikey-manager"
_MAC_ONLY = {"encrypt": False}


class Kept:
    """A connection of yubikit's, to a card that takes everything."""

    def __init__(self) -> None:
        self.commands: list[bytes] = []

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        """Keep the command."""
        self.commands.append(apdu)
        return b"", 0x9000


def yubikit(task: Task) -> Candidate:
    """Key derivation, verification of the card and the C-MAC of all commands.

    Raises:
        CryptoPathError: it is not installed, or is not the yubikit that we know.
    """
    version = version_of(PACKAGE)
    if version is None:
        raise CryptoPathError(f"yubikit is not installed (pip install '{PACKAGE}>=5.9')")
    try:
        card = importlib.import_module("yubikit.core.smartcard")
        scp = importlib.import_module("yubikit.core.smartcard.scp")
        work = _work(card, scp, task)
        commands = work()
    except (ImportError, AttributeError, TypeError) as error:
        raise CryptoPathError(f"yubikit {version} is not used as 5.9 is: {error}") from error
    task.check(commands, f"yubikit {version}")
    return Candidate(YUBIKIT, f"yubikit {version}", Family.PEER, timed(work))


def _work(card: ModuleType, scp: ModuleType, task: Task) -> Callable[[], list[bytes]]:
    keys, opening = task.keys, task.opening
    parameters = scp.Scp03KeyParams(
        scp.KeyRef(scp.ScpKid.SCP03, opening.key_version),
        scp.StaticKeys(*(bytes(key.expose()) for key in (keys.enc, keys.mac, keys.dek))),
    )
    formatter = card.ShortApduFormatter()
    commands = _under_dek(task)

    def fob_answers(*_: Any) -> bytes:
        return opening.answer

    def work() -> list[bytes]:
        kept = Kept()
        state, host_cryptogram = scp.ScpState.scp03_init(
            fob_answers, parameters, host_challenge=opening.host_challenge
        )
        sender = card.ApduFormatProcessor(kept, formatter)
        secure = card.ScpProcessor(sender, formatter, state).send_apdu
        secure(0x84, 0x82, opening.security_level, 0, host_cryptogram, 0, **_MAC_ONLY)
        for cla, ins, p1, p2, data in commands:
            secure(cla, ins, p1, p2, data, 0, **_MAC_ONLY)
        return kept.commands

    return work


def _under_dek(task: Task) -> list[tuple[int, int, int, int, bytes]]:
    """Plain commands, with the DEK's work done, which is not yubikit's."""
    dek = OpensslAes().key(task.keys.dek)
    commands: list[CommandApdu] = dgi.store_data(
        task.items, task.plan, encrypt=lambda padded: dek.encrypt_cbc(bytes(16), padded)
    )
    return [(one.cla, one.ins, one.p1, one.p2, one.data) for one in commands]

"""The native path and its slots: what they do beyond the contract of every path."""

import gc
import json
import os
import subprocess
import sys

import msgspec
import pytest

from kfasync.core.profile import CardProfile
from kfasync.crypto.native import NativePath, tiers
from kfasync.errors import CapabilityError, CryptogramError, CryptoPathError, KeyCheckError
from kfasync.model import KeySet, Scp03Mode
from kfasync.secret import Secret
from kfasync.sim.fob import SimulatedFob
from tests.contracts.test_crypto_path import OPENING, opening
from tests.core.hand import ITEMS, KEYS, UID

PATH = NativePath(tiers()[0])


def test_slots_come_back_when_nobody_holds_them() -> None:
    for _ in range(5):
        held = [PATH.load(KEYS[128]) for _ in range(64)]
        held[0].wipe()
        del held
        gc.collect()


def test_too_many_fobs_at_once_are_an_error_and_not_a_crash() -> None:
    held: list[object] = []
    with pytest.raises(CryptoPathError, match="all slots of locked memory are in use"):
        held.extend(PATH.load(KEYS[128]) for _ in range(10_000))
    del held
    gc.collect()
    PATH.load(KEYS[128]).wipe()


def test_keys_that_are_refused_hold_no_slot_while_the_refusal_is_known() -> None:
    keys = KEYS[128]
    wrong = msgspec.structs.replace(keys, kcv=msgspec.structs.replace(keys.kcv, mac=bytes(3)))
    refusals = []
    for _ in range(200):  # there are 128 slots
        with pytest.raises(KeyCheckError, match="MAC") as caught:
            PATH.load(wrong)
        refusals.append(caught.value)
    PATH.load(keys).wipe()


@pytest.mark.parametrize("size", [0, 15, 33])
def test_keys_of_no_aes_length_are_refused(size: int) -> None:
    part = Secret(bytes(size))
    with pytest.raises(KeyCheckError, match=f"16, 24 or 32 bytes, not {size}"):
        PATH.load(KeySet(1, part, part, part, KEYS[128].kcv))


def test_a_check_value_that_is_cut_short_is_refused() -> None:
    kcv = msgspec.structs.replace(KEYS[128].kcv, dek=b"\x00\x01")
    with pytest.raises(KeyCheckError, match="not three bytes long"):
        PATH.load(msgspec.structs.replace(KEYS[128], kcv=kcv))


def test_arguments_that_only_c_looks_at_are_refused_there() -> None:
    slot, asked = PATH.load(KEYS[128]), msgspec.structs.replace(opening(), aid=b"")
    with pytest.raises(ValueError, match="the C core refuses its arguments"):
        slot.open_and_wrap(asked, ITEMS, CardProfile().plan)


def test_a_host_challenge_of_the_other_mode_is_refused() -> None:
    slot, asked = PATH.load(KEYS[128]), msgspec.structs.replace(opening(), host_challenge=bytes(7))
    with pytest.raises(ValueError, match="a host challenge of 7 bytes is not of mode S8"):
        slot.open_session(asked)


def test_what_a_card_cannot_do_is_said_in_the_words_of_every_path() -> None:
    # The answer is right, for a card that announces nothing at all.
    fob = SimulatedFob(uid=UID, keys=KEYS[128], i_param=0x00, random=lambda _: bytes(8))
    fob.transmit(bytes.fromhex("00A4040005A00000085700"))
    answer = fob.transmit(bytes.fromhex("8050000008") + OPENING.host_challenge + b"\0")
    asked = msgspec.structs.replace(OPENING, answer=answer[:-2])
    with pytest.raises(CapabilityError, match="does not announce R-MAC and R-ENCRYPTION"):
        PATH.load(KEYS[128]).open_session(asked)


def test_a_challenge_over_another_aid_is_found_out() -> None:
    fob = SimulatedFob(uid=UID, keys=KEYS[128])
    fob.transmit(bytes.fromhex("00A4040005A00000085700"))
    answer = fob.transmit(bytes.fromhex("8050000008") + OPENING.host_challenge + b"\0")
    asked = msgspec.structs.replace(OPENING, answer=answer[:-2], aid=bytes(5))
    with pytest.raises(CryptogramError, match="challenge_aid"):
        PATH.load(KEYS[128]).open_session(asked)


def test_an_answer_of_the_other_mode_is_not_read() -> None:
    asked = msgspec.structs.replace(opening(), scp03_mode=Scp03Mode.S16)
    asked = msgspec.structs.replace(asked, host_challenge=bytes(16))
    with pytest.raises(Exception, match="is not of layout gp in S16"):
        PATH.load(KEYS[128]).open_session(asked)


def test_a_fork_has_none_of_the_keys() -> None:
    # In a process of its own: the test run has threads, and a fork of it would be a gamble.
    program = """
import json, os, sys
from kfasync.crypto.native import NativeVault, NativePath, tiers
NativePath(tiers()[0])
secret = NativeVault().secret(32)
secret.writable()[:] = bytes(range(32))
pid = os.fork()
if pid == 0:
    # Wiped in the child, or not there at all.
    os._exit(0 if bytes(secret.expose()) == bytes(32) else 1)
status = os.waitpid(pid, 0)[1]
print(json.dumps([status, bytes(secret.expose()) == bytes(range(32))]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, env=dict(os.environ)
    )
    status, kept = json.loads(done.stdout)
    assert kept
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0

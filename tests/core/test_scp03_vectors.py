"""Whole sessions captured from real cards, replayed on every path of the host side."""

import hashlib
import importlib
from typing import Any

import pytest

from kfasync.contracts.crypto import Aes, CryptoPath, SecureChannel
from kfasync.core.apdu import ResponseApdu
from kfasync.core.kdf import DerivationConstant, derive
from kfasync.core.scp03 import key_check_value
from kfasync.crypto.openssl import OpensslAes
from kfasync.errors import CryptogramError
from kfasync.model import (
    KeyCheckValues,
    KeySet,
    Layout,
    Opening,
    Scp03Mode,
    SecurityLevel,
)
from kfasync.secret import Secret
from tests.paths import each_aes, each_path
from tests.vectors import ENTRIES, TAKEN, name, verified

each_session = pytest.mark.parametrize("entry", verified("sessions"), ids=name)
# Every suite that runs over entries of the vectors' file.
SUITES = ("tests.core.test_dgi", "tests.core.test_kdf", "tests.contracts.test_crypto", __name__)
each_generated = pytest.mark.parametrize("entry", verified("generated_sessions"), ids=name)


def key_set(entry: dict[str, Any], kvn: int = 0) -> KeySet:
    keys = {part: Secret.from_hex(entry["static_keys"][part]) for part in ("enc", "mac", "dek")}
    kcv = {part: key_check_value(OpensslAes().key(key)) for part, key in keys.items()}
    return KeySet(kvn=kvn, **keys, kcv=KeyCheckValues(**kcv))


def answer_data(entry: dict[str, Any]) -> bytes:
    if entry["initialize_update_response"]:
        return bytes.fromhex(entry["initialize_update_response"])
    # This capture prints the fields and not the answer; its counter is only partly legible
    # and enters no computation, so the answer is put together with i = 00 and no counter.
    return bytes.fromhex(
        entry["key_diversification_data"]
        + entry["kvn"]
        + "0300"
        + entry["card_challenge"]
        + entry["card_cryptogram"]
    )


def opening(entry: dict[str, Any], aid: str) -> Opening:
    return Opening(
        host_challenge=bytes.fromhex(entry["host_challenge"]),
        answer=answer_data(entry),
        key_version=int(entry.get("kvn", "00"), 16),
        security_level=SecurityLevel(int(entry["security_level"], 16)),
        scp03_mode=Scp03Mode(entry["mode"]),
        layouts=(Layout.GP, Layout.REV3),
        aid=bytes.fromhex(aid),
    )


def without_pseudo_random_bit(entry: dict[str, Any]) -> dict[str, Any]:
    """The same answer from a card that announces a random challenge (i without 10).

    Neither i nor the counter enters any derivation of this layout, so the rest of a capture
    whose AID is unknown can still be checked.
    """
    answer = bytearray(answer_data(entry))
    if answer[12] & 0x10:
        answer[12] &= ~0x10
        del answer[-3:]
    return {**entry, "initialize_update_response": answer.hex()}


def open_session(path: CryptoPath, entry: dict[str, Any]) -> SecureChannel:
    aid = entry.get("pseudo_random_challenge", {}).get("aid")
    if aid is None:
        entry, aid = without_pseudo_random_bit(entry), "A000000151000000"
    return path.load(key_set(entry)).open_session(opening(entry, aid))


@each_path
@each_session
def test_external_authenticate_is_the_captured_one(path: CryptoPath, entry: dict[str, Any]) -> None:
    channel = open_session(path, entry)
    captured = entry["external_authenticate"] or entry["external_authenticate_recomputed"]
    assert channel.external_authenticate.hex().upper() == captured
    assert entry["host_cryptogram"] in captured


@each_path
@each_session
def test_every_command_and_answer_is_the_captured_one(
    path: CryptoPath, entry: dict[str, Any]
) -> None:
    channel = open_session(path, entry)
    exchanges = entry["exchanges"]
    wrapped = channel.wrap([bytes.fromhex(exchange["plain"]) for exchange in exchanges])
    assert [command.hex().upper() for command in wrapped] == [e["wrapped"] for e in exchanges]
    for exchange in exchanges:
        if "response" not in exchange:
            break  # the capture goes on with commands only
        answer = ResponseApdu.decode(channel.unwrap(bytes.fromhex(exchange["response"])))
        assert answer.data.hex().upper() == exchange["response_plain"]
        assert answer.sw == 0x9000


@each_path
@each_generated
def test_store_data_is_what_independent_peers_computed(
    path: CryptoPath, entry: dict[str, Any]
) -> None:
    channel = path.load(key_set(entry)).open_session(opening(entry, entry["aid"]))
    assert channel.external_authenticate.hex().upper() == entry["external_authenticate"]
    rule = entry["store_data"]
    last = rule["blocks"] - 1
    plain = [
        bytes((0x80, 0xE2, 0x80 if b == last else 0x00, b, rule["data_len"]))
        + bytes((b * 37 + i) % 256 for i in range(rule["data_len"]))
        for b in range(rule["blocks"])
    ]
    wrapped = channel.wrap(plain)
    assert wrapped[0].hex().upper() == rule["wrapped_first"]
    assert wrapped[last].hex().upper() == rule["wrapped_last"]
    digest = hashlib.sha256(b"".join(wrapped)).hexdigest().upper()
    assert digest == rule["sha256_of_11_wrapped_concatenated"]


@each_path
@pytest.mark.parametrize(
    "entry",
    [
        entry
        for entry in verified("sessions")
        if "pseudo_random_challenge" in entry and entry["initialize_update_response"]
    ],
    ids=name,
)
def test_a_pseudo_random_challenge_is_recomputed(path: CryptoPath, entry: dict[str, Any]) -> None:
    facts = entry["pseudo_random_challenge"]
    slot = path.load(key_set(entry))
    if facts["matches"]:
        slot.open_session(opening(entry, facts["aid"]))
    # No card computes its challenge over this AID, so the check must notice.
    with pytest.raises(CryptogramError, match="challenge_aid"):
        slot.open_session(opening(entry, "A0000008570000"))


@each_aes
@each_session
def test_session_keys_are_the_published_ones(aes: Aes, entry: dict[str, Any]) -> None:
    context = bytes.fromhex(entry["host_challenge"] + entry["card_challenge"])
    keys = {part: aes.key(Secret.from_hex(entry["static_keys"][part])) for part in ("enc", "mac")}
    derived = {
        "s_enc": derive(keys["enc"], DerivationConstant.S_ENC, context, bits=entry["aes_bits"]),
        "s_mac": derive(keys["mac"], DerivationConstant.S_MAC, context, bits=entry["aes_bits"]),
        "s_rmac": derive(keys["mac"], DerivationConstant.S_RMAC, context, bits=entry["aes_bits"]),
    }
    assert {part: key.hex().upper() for part, key in derived.items()} == entry["session_keys"]


def test_no_verified_entry_is_left_out_of_all_suites() -> None:
    for suite in SUITES:
        importlib.import_module(suite)
    entries = [
        (kind, name(entry))
        for kind, entries in ENTRIES.items()
        for entry in entries
        if entry["verified"]
    ]
    assert len(set(entries)) == len(entries), "two entries go by one name"
    assert set(entries) - TAKEN == set()

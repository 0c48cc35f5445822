"""Locked memory: what it does beyond the contract of every vault."""

import gc

import pytest

from kfasync.crypto.native import NativeVault
from kfasync.errors import CryptoPathError
from kfasync.secret import Secret


def test_too_many_secrets_at_once_are_an_error_and_not_a_crash() -> None:
    vault = NativeVault()
    held: list[Secret] = []
    with pytest.raises(CryptoPathError, match="all locked memory is in use"):
        held.extend(vault.secret(1) for _ in range(10_000))
    del held
    gc.collect()
    assert len(vault.secret(32)) == 32


def test_a_secret_that_is_wiped_gives_its_cell_back_while_it_is_still_known() -> None:
    vault = NativeVault()
    wiped = []
    for _ in range(1000):  # there are 512 cells
        secret = vault.secret(8)
        secret.wipe()
        wiped.append(secret)
    assert [len(secret) for secret in wiped] == [8] * 1000


def test_secrets_that_died_in_a_cycle_make_room() -> None:
    vault = NativeVault()
    gc.disable()
    try:
        for _ in range(1000):
            cycle: list[object] = [vault.secret(8)]
            cycle.append(cycle)
            del cycle
    finally:
        gc.enable()


def test_a_cell_comes_back_when_its_last_view_dies() -> None:
    vault = NativeVault()
    view = vault.secret(8).expose()
    others = [vault.secret(8) for _ in range(100)]
    for other in others:
        other.writable()[:] = b"\xff" * 8
    assert bytes(view) == bytes(8)


def test_a_secret_larger_than_a_cell_is_refused() -> None:
    with pytest.raises(ValueError, match="4097 bytes are more than a cell holds"):
        NativeVault().secret(4097)

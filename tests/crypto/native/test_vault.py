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

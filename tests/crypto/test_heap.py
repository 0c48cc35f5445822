"""The vault on Python's heap: what it shares with the others is in tests/contracts."""

from kfasync.crypto.heap import HeapVault
from kfasync.secret import Secret


def test_a_secret_lives_in_a_buffer_of_its_own() -> None:
    vault, text = HeapVault(), Secret(b"AAEC")
    decoded = vault.base64(text)
    text.wipe()
    assert bytes(decoded.expose()) == b"\x00\x01\x02"

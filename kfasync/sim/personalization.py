"""Personalization: what STORE DATA brings, gathered block by block and believed as a whole.

Gathering is volatile. Only a complete, consistent set is handed over, and then the fob
writes it in one step: there is no half-personalized fob (GP Card Spec 2.3.1, 11.11).
"""

import enum
from typing import assert_never

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from kfasync.secret import Secret
from kfasync.sim.channel import BLOCK, decrypt
from kfasync.sim.command import Refusal, Sw

LONG_LENGTH = 0xFF  # announces a length of two bytes
SCALAR_SIZE = 32  # P-256


class Dgi(enum.IntEnum):
    """The data groupings that make a key fob; every one of them, once."""

    SPID = 0xA001
    DEVICE_CERTIFICATE = 0xA002
    PRIVATE_KEY = 0xA003
    ICA_CERTIFICATE = 0xA004
    ROOT_CERTIFICATE = 0xA005
    IRK = 0xA006


EXPECTED = frozenset(Dgi)


class Personalization:
    """The DGI stream of one secure channel session."""

    def __init__(self) -> None:
        self._stream = bytearray()
        self._next_block = 0

    def take(self, block_number: int, block: bytes) -> None:
        """One STORE DATA data field; DGIs may begin and end anywhere in it.

        Raises:
            Refusal: 6A86, this is not the block that comes next.
        """
        if block_number != self._next_block:
            raise Refusal(Sw.WRONG_P1_P2)
        self._next_block += 1
        self._stream += block

    def finish(self, dek: Secret) -> dict[Dgi, Secret]:
        """Everything, parsed and verified; the private key comes out as the bare scalar.

        Raises:
            Refusal: 6A80, something is missing, twice, cut off or inconsistent.
        """
        items = _parse(bytes(self._stream))
        if items.keys() != EXPECTED:
            raise Refusal(Sw.WRONG_DATA)
        items[Dgi.PRIVATE_KEY] = decrypt(bytes(dek.expose()), bytes(BLOCK), items[Dgi.PRIVATE_KEY])
        for dgi, value in items.items():
            _verify(dgi, value)
        _verify_pair(items[Dgi.PRIVATE_KEY], items[Dgi.DEVICE_CERTIFICATE])
        return {dgi: Secret(value) for dgi, value in items.items()}


def _parse(stream: bytes) -> dict[Dgi, bytes]:
    items: dict[Dgi, bytes] = {}
    position = 0
    while position < len(stream):
        tag = int.from_bytes(stream[position : position + 2])
        length_field = stream[position + 2 : position + 3]
        position += 3
        if length_field == bytes((LONG_LENGTH,)):
            length_field = stream[position : position + 2]
            position += 2
        value = stream[position : position + int.from_bytes(length_field)]
        position += int.from_bytes(length_field)
        # The position runs past the end wherever the stream was cut, in a length field too.
        if position > len(stream) or tag not in EXPECTED or tag in items:
            raise Refusal(Sw.WRONG_DATA)
        items[Dgi(tag)] = value
    return items


def _verify(dgi: Dgi, value: bytes) -> None:
    match dgi:
        case Dgi.SPID:
            # Text, not the 20 bytes that it names.
            good = len(value) == 40 and all(digit in b"0123456789ABCDEFabcdef" for digit in value)
        case Dgi.PRIVATE_KEY:
            good = len(value) == SCALAR_SIZE
        case Dgi.IRK:
            good = len(value) == 16
        case Dgi.DEVICE_CERTIFICATE | Dgi.ICA_CERTIFICATE | Dgi.ROOT_CERTIFICATE:
            _certificate(value)
            good = True
        case _:
            assert_never(dgi)
    if not good:
        raise Refusal(Sw.WRONG_DATA)


def _certificate(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except (ValueError, x509.InvalidVersion) as error:
        raise Refusal(Sw.WRONG_DATA) from error


def _verify_pair(scalar: bytes, device_certificate: bytes) -> None:
    try:
        key = ec.derive_private_key(int.from_bytes(scalar), ec.SECP256R1())
        certified = _certificate(device_certificate).public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Refusal(Sw.WRONG_DATA) from error
    if key.public_key() != certified:
        raise Refusal(Sw.WRONG_DATA)

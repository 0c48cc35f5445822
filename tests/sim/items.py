"""What goes onto a fob in these tests, and the fob it goes onto."""

import datetime
from collections.abc import Iterator
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.x509.oid import NameOID

from kfasync.model import SecurityLevel
from kfasync.sim.channel import pad
from kfasync.sim.fob import SimulatedFob
from tests.sim.host import KEYS, Host, open_session

UID = bytes.fromhex("04112233445566")
OK = b"\x90\x00"
UICC, BLE = bytes.fromhex("00DB0000030A0101"), bytes.fromhex("00DB0000030B0101")
GET_UID = bytes.fromhex("FFCA000000")
INITIALIZE_UPDATE = bytes.fromhex("8050000008") + bytes(8) + b"\0"


def fob(**arguments: Any) -> SimulatedFob:
    """A fob that differs from the usual one as the arguments say."""
    defaults: dict[str, Any] = {"uid": UID, "keys": KEYS}
    return SimulatedFob(**(defaults | arguments))


def sw(answer: bytes) -> str:
    """Status word of an answer, in hex."""
    return answer[-2:].hex().upper()


def certificate(subject: ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "1KM0001E")])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    builder = x509.CertificateBuilder(name, name, subject, 1, start, start.replace(year=2036))
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def under_dek(plain: bytes) -> bytes:
    cipher = Cipher(algorithms.AES(KEYS.dek.expose()), modes.CBC(bytes(16))).encryptor()
    return cipher.update(plain)


KEY = ec.generate_private_key(ec.SECP256R1())
SCALAR = KEY.private_numbers().private_value.to_bytes(32)
CERTIFICATE = certificate(KEY.public_key())
SPID = b"59918C0096F859EC8BF6DA454E2E554A14DD4BD1"
IRK = bytes(range(16))
ITEMS: dict[int, bytes] = {
    0xA003: under_dek(pad(SCALAR)),
    0xA001: SPID,
    0xA002: CERTIFICATE,
    0xA004: CERTIFICATE,
    0xA005: CERTIFICATE,
    0xA006: IRK,
}


def encode(*items: tuple[int, bytes]) -> bytes:
    stream = b""
    for dgi, value in items:
        length = bytes((len(value),)) if len(value) < 255 else b"\xff" + len(value).to_bytes(2)
        stream += dgi.to_bytes(2) + length + value
    return stream


STREAM = encode(*ITEMS.items())


def store_data(
    host: Host, stream: bytes = STREAM, block_size: int = 200, p1: tuple[int, int] = (0, 0x80)
) -> Iterator[bytes]:
    """Wrapped commands: the stream in blocks, and an empty last one."""
    blocks = [stream[i : i + block_size] for i in range(0, len(stream), block_size)]
    for number, block in enumerate(blocks):
        yield host.wrap(f"80E2{p1[0]:02X}{number:02X}", block)
    yield host.wrap(f"80E2{p1[1]:02X}{len(blocks):02X}")


def personalize(card: SimulatedFob, level: int = SecurityLevel.C_MAC) -> Host:
    host = open_session(card, level)
    for command in store_data(host):
        assert host.unwrap(card.transmit(command)) == (b"", 0x9000)
    return host

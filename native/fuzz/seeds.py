"""Makes the inputs that the fuzzer begins with: a few of every kind that it would hardly guess.

    python3 fuzz/seeds.py DIRECTORY

writes them below DIRECTORY/<target>. What they are is said in fuzz_<target>.c; the corpora that
are kept beside this file were grown from them.
"""

import base64
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path

EC_P256 = bytes.fromhex("3013 06072a8648ce3d0201 06082a8648ce3d030107")
P256 = bytes.fromhex("06082a8648ce3d030107")
ONE = bytes(31) + b"\x01"
# The base point is the public point of the scalar 1 (SP 800-186, 3.2.1.3).
X = bytes.fromhex("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296")
Y = bytes.fromhex("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
ORDER = bytes.fromhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")

SLOTS = (0, 5, 0x10, 0x24, 0x35, 0x40, 0x141, 0x166, 0x23F, 0x0C22)
"""What card_make is told: of key sizes, layouts, levels and modes, some that go together."""


def tlv(tag: int, value: bytes, more: int = 0) -> bytes:
    """DER, with a length in as few bytes as it needs; it may claim more than there is."""
    size = len(value) + more
    long = bytes((size,)) if size < 0x80 else bytes((0x81, size))
    return bytes((tag,)) + (long if size < 0x100 else b"\x82" + size.to_bytes(2)) + value


def pkcs8() -> Iterator[bytes]:
    """Private keys with and without what may be missing."""
    points = (b"\x04" + X + Y, b"\x03" + X, b"\x02" + X)
    publics = [b"", *(tlv(0xA1, tlv(0x03, b"\x00" + point)) for point in points)]
    for scalar, parameters, public, attributes in product(
        (ONE, ORDER, bytes(32)), (b"", tlv(0xA0, P256)), publics, (b"", tlv(0xA0, tlv(0x30, b"")))
    ):
        key = tlv(0x30, tlv(0x02, b"\x01") + tlv(0x04, scalar) + parameters + public)
        file = tlv(0x30, tlv(0x02, b"\x00") + EC_P256 + tlv(0x04, key) + attributes)
        yield file
        yield file[:-1]
    beyond = tlv(0x30, tlv(0x02, b"\x01") + tlv(0x04, ONE), more=1)
    yield tlv(0x30, tlv(0x02, b"\x00") + EC_P256 + tlv(0x04, beyond, more=1))


def key_block() -> Iterator[bytes]:
    """Whole ones of each key length, with room for all entries and for too few."""
    for size, capacity in product((16, 24, 32), (3, 4, 31)):
        keys = b"".join(bytes((tag, 0, size)) + bytes(size) for tag in (1, 2, 3))
        yield bytes((capacity,)) + keys
        scalar = b"\x10\x00\x20" + ONE
        irk = b"\x11\x00\x10" + bytes(16)
        yield bytes((capacity,)) + keys + scalar + irk + b"\x20\x00\x03\xa0\x06\x01"


def with_card(*tails: bytes) -> Iterator[bytes]:
    """A card of several kinds, and then what the target wants of it."""
    for choice, tail in product(SLOTS, tails):
        yield choice.to_bytes(2) + b"\x07" + tail


def openings() -> Iterator[bytes]:
    """Nothing changed, one byte of the answer, its length, and each byte of the terms."""
    yield b"\x00"
    for at in range(51):
        yield bytes((2, at, 0x20))
        yield bytes((1, at))
    for at in range(25):
        yield bytes((0, 1, at, 2))


def batches() -> Iterator[bytes]:
    """Commands of each case of ISO/IEC 7816-4, short and extended."""
    bodies = ("", "00", "10", "02a55a", "02a55a00", "000100", "000002a55a", "000002a55a0000")
    commands = [bytes.fromhex("80e20000" + body) for body in bodies]
    commands.append(b"\x80\xe2\x00\x00\xf8" + bytes(0xF8) + b"\x00")
    for command in commands:
        yield bytes((0, 1, len(command) % 256)) + command
        yield bytes((1, 1, len(command) % 256)) + command
    ends = bytes(len(command) for command in commands[:8])
    yield b"\x00" + bytes((8,)) + ends + b"".join(commands[:8])


def items() -> Iterator[bytes]:
    """Block size, shortage twice, and items: scale, fill, DGI, under the DEK."""
    for block in (1, 16, 0xEF, 0xF5, 0xFF):
        small = bytes((0x10, 0xAA, 6, 1, 0x28, 0xBB, 1, 0))
        yield bytes((block, 0, 0, 2)) + small
        yield bytes((block, 1, 0, 2)) + small
        yield bytes((block, 0, 1, 2)) + small
        yield bytes((block, 0, 0, 2, 0xF1, 1, 0xAA, 2, 1, 0xFF, 0xEE, 0xAA, 3, 0))


def replies() -> Iterator[bytes]:
    """Answers with data and without, one of each kind."""
    for kind, word in product(range(6), range(5)):
        yield bytes((3,)) + bytes((kind, word, 8)) + bytes(range(24)) + b"\x00\x01\x03" * 4
    # Sealed, with what looks like padding behind its last whole block.
    yield bytes((3, 5, 0, 11)) + bytes(range(32)) + b"\x80"


def journal() -> Iterator[bytes]:
    """A content leased and freed, bound, passed and rejected, and ends of leases."""
    text = "".join(
        f"{event} {unit:<20} {fesn:<8}\n"
        for event, unit, fesn in (
            ("L", "04A1B2C3D4E5F6", "1KM0001E"),
            ("F", "04A1B2C3D4E5F6", "1KM0001E"),
            ("L", "04A1B2C3D4E5F7", "1KM0001F"),
            ("L", "04A1B2C3D4E5F8", "1KM0001E"),
            ("B", "04A1B2C3D4E5F8", "1KM0001E"),
            ("L", "04A1B2C3", "1KM0001G"),
            ("P", "04A1B2C3", "1KM0001G"),
            ("R", "04A1B2C3D4E5F7", "1KM0001F"),
        )
    )
    for records in range(9):
        for choice in range(4):
            # Of no use as a lease but for the first records; the rest is the fuzzer's.
            yield bytes((3,)) + bytes((choice, 0, 0) * 8) + text[: 32 * records].encode()
    # Damaged so that spaces go on to the end of the record.
    yield bytes(25) + text[:26].encode() + b" " * 6


def container() -> Iterator[bytes]:
    """All files as they should be, and each of them once as it should not."""
    yield b"\x04" * 7 + b"\x01"
    for index, kind in product(range(7), (1, 2, 3)):
        kinds = bytearray(b"\x04" * 7)
        kinds[index] = kind
        # What the kind takes from the input stands right behind it.
        yield (
            bytes(kinds[: index + 1])
            + b"\x00\x05\x61\x62\x63\x64\x65"[: 8 - kind]
            + bytes(kinds[index + 1 :])
        )


def json() -> Iterator[bytes]:
    """A configuration, and strings with every escape."""
    yield b'{"containers": "a", "certificates": "b", "state": "c", "keys": "d", "kvn": 48}'
    yield rb'{"a":"\"\\\/\b\f\n\r\t\u0041\u00e9\u20ac\ud83d\ude00"}'
    yield b" { \t\r\n } "
    yield b'{"a":4294967295,"b":0}'
    for key, value in ((63, 1023), (64, 1), (1, 1024)):
        yield b'{"' + b"k" * key + b'":"' + b"v" * value + b'"}'


TARGETS = {
    "base64": [bytes((40,)) + base64.b64encode(bytes(range(n))) for n in range(7)],
    "container": list(container()),
    "journal": list(journal()),
    "json": list(json()),
    "key_block": list(key_block()),
    "pkcs8": list(pkcs8()),
    "session": list(with_card(*openings())),
    "store_data": list(with_card(*items())),
    "unwrap": list(with_card(*replies())),
    "wrap": list(with_card(*batches())),
}


def main() -> None:
    """Write every input into a file of its own."""
    for name, inputs in TARGETS.items():
        directory = Path(sys.argv[1]) / name
        directory.mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(inputs):
            (directory / f"seed-{number:03}").write_bytes(data)


if __name__ == "__main__":
    main()

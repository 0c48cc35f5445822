"""AES in pure Python: the oracle that the fast paths are held against.

T-tables built at import from the field's definition (FIPS 197, 4.2 and 5.1), so that no
table can hold a typing error. Its memory accesses depend on the key: it proves answers
right, and runs a station where nothing else is to be had, but keeps no secret from somebody
who can time the cache of the same machine.
"""

import struct
from collections.abc import Sequence

from kfasync.secret import Secret

BLOCK = 16
ROUNDS = {16: 10, 24: 12, 32: 14}
R_128 = 0x87  # x^128 = x^7 + x^2 + x + 1 (NIST SP 800-38B, 5.3)

_WORDS = struct.Struct(">4I")


def _xtime(a: int) -> int:
    return ((a << 1) ^ 0x11B) & 0xFF if a & 0x80 else a << 1


def _multiply(a: int, b: int) -> int:
    product = 0
    while b:
        if b & 1:
            product ^= a
        a, b = _xtime(a), b >> 1
    return product


def _s_box() -> bytes:
    # 3 generates the field's multiplicative group, so its powers give every inverse.
    powers = [1]
    for _ in range(254):
        powers.append(_multiply(powers[-1], 3))
    inverse = {power: powers[-exponent % 255] for exponent, power in enumerate(powers)}
    box = bytearray(256)
    for value in range(256):
        x = inverse.get(value, 0)
        for shift in (1, 2, 3, 4):
            x ^= (inverse.get(value, 0) << shift | inverse.get(value, 0) >> (8 - shift)) & 0xFF
        box[value] = x ^ 0x63
    return bytes(box)


def _tables(box: bytes, column: tuple[int, int, int, int]) -> list[list[int]]:
    """Substitution and MixColumns in one look-up, for each of a column's four rows."""
    first = [
        int.from_bytes(bytes(_multiply(box[value], factor) for factor in column), "big")
        for value in range(256)
    ]
    return [[word >> 8 * row | word << (32 - 8 * row) & 0xFFFFFFFF for word in first]
            for row in range(4)]  # fmt: skip


_SBOX = _s_box()
_INV_SBOX = bytes(_SBOX.index(value) for value in range(256))
_T0, _T1, _T2, _T3 = _tables(_SBOX, (2, 1, 1, 3))
_D0, _D1, _D2, _D3 = _tables(_INV_SBOX, (14, 9, 13, 11))


class PureKey:
    """One expanded AES key with its CMAC subkeys."""

    __slots__ = ("_decryption", "_encryption", "_k1", "_k2", "bits")

    def __init__(self, key: bytes) -> None:
        if len(key) not in ROUNDS:
            raise ValueError(f"an AES key has 16, 24 or 32 bytes, not {len(key)}")
        self.bits = 8 * len(key)
        self._encryption = _expand(key)
        self._decryption = _invert(self._encryption)
        self._k1 = _double(int.from_bytes(self.encrypt_block(bytes(BLOCK)), "big"))
        self._k2 = _double(self._k1)

    def encrypt_block(self, block: bytes) -> bytes:
        """AES of one block (FIPS 197, 5.1)."""
        if len(block) != BLOCK:
            raise ValueError(f"a block has {BLOCK} bytes, not {len(block)}")
        keys = self._encryption
        a, b, c, d = _add(_WORDS.unpack(block), keys[0])
        for k0, k1, k2, k3 in keys[1:-1]:
            a, b, c, d = (
                _T0[a >> 24] ^ _T1[b >> 16 & 255] ^ _T2[c >> 8 & 255] ^ _T3[d & 255] ^ k0,
                _T0[b >> 24] ^ _T1[c >> 16 & 255] ^ _T2[d >> 8 & 255] ^ _T3[a & 255] ^ k1,
                _T0[c >> 24] ^ _T1[d >> 16 & 255] ^ _T2[a >> 8 & 255] ^ _T3[b & 255] ^ k2,
                _T0[d >> 24] ^ _T1[a >> 16 & 255] ^ _T2[b >> 8 & 255] ^ _T3[c & 255] ^ k3,
            )
        return _last(_SBOX, ((a, b, c, d), (b, c, d, a), (c, d, a, b), (d, a, b, c)), keys[-1])

    def encrypt_cbc(self, icv: bytes, plain: bytes) -> bytes:
        """CBC without padding (NIST SP 800-38A, 6.2)."""
        out = bytearray()
        for at in _blocks(icv, plain):
            icv = self.encrypt_block(_xor(icv, plain[at : at + BLOCK]))
            out += icv
        return bytes(out)

    def decrypt_cbc(self, icv: bytes, cipher: bytes) -> bytes:
        """CBC decryption without padding (NIST SP 800-38A, 6.2)."""
        out = bytearray()
        for at in _blocks(icv, cipher):
            block = cipher[at : at + BLOCK]
            out += _xor(icv, self._decrypt_block(block))
            icv = block
        return bytes(out)

    def cmac(self, message: bytes) -> bytes:
        """All 16 bytes of CMAC (NIST SP 800-38B, 6.2)."""
        cut = max(0, (len(message) - 1) // BLOCK * BLOCK)
        last, subkey = message[cut:], self._k1
        if len(last) < BLOCK:
            last, subkey = last + b"\x80" + bytes(BLOCK - 1 - len(last)), self._k2
        icv = bytes(BLOCK)
        for at in range(0, cut, BLOCK):
            icv = self.encrypt_block(_xor(icv, message[at : at + BLOCK]))
        return self.encrypt_block(_xor(_xor(icv, last), subkey.to_bytes(BLOCK, "big")))

    def _decrypt_block(self, block: bytes) -> bytes:
        """The equivalent inverse cipher (FIPS 197, 5.3.5)."""
        keys = self._decryption
        a, b, c, d = _add(_WORDS.unpack(block), keys[0])
        for k0, k1, k2, k3 in keys[1:-1]:
            a, b, c, d = (
                _D0[a >> 24] ^ _D1[d >> 16 & 255] ^ _D2[c >> 8 & 255] ^ _D3[b & 255] ^ k0,
                _D0[b >> 24] ^ _D1[a >> 16 & 255] ^ _D2[d >> 8 & 255] ^ _D3[c & 255] ^ k1,
                _D0[c >> 24] ^ _D1[b >> 16 & 255] ^ _D2[a >> 8 & 255] ^ _D3[d & 255] ^ k2,
                _D0[d >> 24] ^ _D1[c >> 16 & 255] ^ _D2[b >> 8 & 255] ^ _D3[a & 255] ^ k3,
            )
        return _last(_INV_SBOX, ((a, d, c, b), (b, a, d, c), (c, b, a, d), (d, c, b, a)), keys[-1])

    def __repr__(self) -> str:
        return f"PureKey({self.bits} bits)"


class PureAes:
    """Maker of :class:`PureKey`."""

    name = "pure"

    def key(self, secret: Secret) -> PureKey:
        """Expand a key; ValueError unless it has 16, 24 or 32 bytes."""
        return PureKey(bytes(secret.expose()))


_RoundKey = tuple[int, int, int, int]


def _expand(key: bytes) -> list[_RoundKey]:
    """KeyExpansion (FIPS 197, 5.2)."""
    nk, rounds = len(key) // 4, ROUNDS[len(key)]
    words = [int.from_bytes(key[at : at + 4], "big") for at in range(0, len(key), 4)]
    rcon = 1
    for i in range(nk, 4 * (rounds + 1)):
        word = words[-1]
        if i % nk == 0:
            word = _substitute(word << 8 & 0xFFFFFFFF | word >> 24) ^ rcon << 24
            rcon = _xtime(rcon)
        elif nk > 6 and i % nk == 4:
            word = _substitute(word)
        words.append(words[-nk] ^ word)
    return [_four(words[at : at + 4]) for at in range(0, len(words), 4)]


def _invert(keys: list[_RoundKey]) -> list[_RoundKey]:
    """InvMixColumns over all but the outer round keys, in the order of decryption."""
    # The D-tables substitute backwards first; forward substitution in front cancels that.
    inner = [
        _four([
            _D0[_SBOX[w >> 24]] ^ _D1[_SBOX[w >> 16 & 255]]
            ^ _D2[_SBOX[w >> 8 & 255]] ^ _D3[_SBOX[w & 255]]
            for w in key
        ])
        for key in keys[1:-1]
    ]  # fmt: skip
    return [keys[-1], *reversed(inner), keys[0]]


def _last(box: bytes, columns: Sequence[Sequence[int]], key: _RoundKey) -> bytes:
    """The last round has no MixColumns."""
    return _WORDS.pack(*(
        (box[p >> 24] << 24 | box[q >> 16 & 255] << 16 | box[r >> 8 & 255] << 8 | box[s & 255]) ^ k
        for (p, q, r, s), k in zip(columns, key, strict=True)
    ))  # fmt: skip


def _substitute(word: int) -> int:
    return int.from_bytes(word.to_bytes(4, "big").translate(_SBOX), "big")


def _add(state: tuple[int, ...], key: _RoundKey) -> _RoundKey:
    return state[0] ^ key[0], state[1] ^ key[1], state[2] ^ key[2], state[3] ^ key[3]


def _four(words: Sequence[int]) -> _RoundKey:
    return words[0], words[1], words[2], words[3]


def _double(value: int) -> int:
    doubled = value << 1 & (1 << 128) - 1
    return doubled ^ R_128 if value >> 127 else doubled


def _xor(a: bytes, b: bytes) -> bytes:
    return (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).to_bytes(BLOCK, "big")


def _blocks(icv: bytes, data: bytes) -> range:
    if len(icv) != BLOCK or len(data) % BLOCK:
        raise ValueError(f"CBC works on whole blocks; {len(icv)} and {len(data)} bytes are none")
    return range(0, len(data), BLOCK)

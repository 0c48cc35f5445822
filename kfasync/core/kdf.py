"""The key derivation of SCP03 (GP Amendment D v1.2, 4.1.5; NIST SP 800-108r1, 4.1)."""

import enum

from kfasync.contracts.crypto import AesKey, CmacKey

LABEL_SIZE = 12
BITS_MAX = 256


class DerivationConstant(enum.IntEnum):
    """Last byte of the label (GP Amendment D v1.2, table 4-1)."""

    CARD_CRYPTOGRAM = 0x00
    HOST_CRYPTOGRAM = 0x01
    CARD_CHALLENGE = 0x02
    S_ENC = 0x04
    S_MAC = 0x06
    S_RMAC = 0x07


def derive(key: AesKey, constant: int, context: bytes, *, bits: int) -> bytes:
    """Derive one session key, cryptogram or challenge (GP Amendment D v1.2, 4.1.5).

    Args:
        key: Key-ENC or Key-MAC for session keys, S-MAC for cryptograms.
        constant: normally a DerivationConstant; one byte.
        context: host challenge || card challenge; 16 bytes (S8) or 32 (S16).
        bits: output length L; a multiple of 8 up to 256.

    Raises:
        ValueError: bits is not one of those.
    """
    label = bytes(LABEL_SIZE - 1) + bytes((constant,))
    # Amendment D puts the counter after L. A stock KBKDF with the counter in
    # front derives other keys, and no card cryptogram ever matches.
    return kbkdf(key, label + b"\x00" + bits.to_bytes(2, "big"), context, bits=bits)


def kbkdf(key: CmacKey, before: bytes, after: bytes, *, bits: int) -> bytes:
    """Counter-mode KDF with CMAC and an 8-bit counter between its two fixed inputs.

    Raises:
        ValueError: bits is not a multiple of 8 from 8 to 256.
    """
    if bits % 8 or not 8 <= bits <= BITS_MAX:
        raise ValueError(f"L is {bits} bits; it is a multiple of 8 from 8 to {BITS_MAX}")
    blocks = -(-bits // 128)
    out = b"".join(key.cmac(before + bytes((counter,)) + after) for counter in range(1, blocks + 1))
    return out[: bits // 8]

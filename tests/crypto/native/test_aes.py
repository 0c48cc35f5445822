"""AES by itself, in C; its known answers and properties are those of every AES."""

import pytest
from kfasync._kf_core import ffi, lib

from kfasync.core.kdf import DerivationConstant, derive
from kfasync.crypto.native import NativeAes, tiers
from kfasync.crypto.native.binding import TIERS
from kfasync.secret import Secret


@pytest.mark.parametrize("tier", tiers())
@pytest.mark.parametrize("size", [16, 24, 32])
@pytest.mark.parametrize("bits", [64, 128, 192, 256])
@pytest.mark.parametrize("constant", DerivationConstant)
def test_a_derivation_in_c_is_that_of_the_other_paths(
    tier: str, size: int, bits: int, constant: DerivationConstant
) -> None:
    secret, context = bytes(range(size)), bytes(range(100, 132))
    key = NativeAes(tier).key(Secret(secret))
    out = ffi.new("uint8_t[]", bits // 8)
    assert not lib.kf_kdf(TIERS[tier], secret, size, constant, context, len(context), bits, out)
    assert bytes(ffi.buffer(out)) == derive(key, constant, context, bits=bits)

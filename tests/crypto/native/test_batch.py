"""What a fob's items become for C, and the commands that come back."""

import msgspec
import pytest

from kfasync.core.profile import CardProfile
from kfasync.crypto.native.batch import Batch, terms_of
from kfasync.errors import SourceError
from kfasync.model import Item
from tests.contracts.test_crypto_path import opening
from tests.core.hand import ITEMS

PLAN = CardProfile().plan


def test_there_is_room_for_every_block_and_what_stands_before() -> None:
    assert Batch(ITEMS, PLAN).count[0] == 11
    assert Batch(ITEMS, PLAN, before=1).count[0] == 12


def test_values_are_pointed_at_and_not_copied() -> None:
    data = bytearray(b"\x01\x02\x03")
    batch = Batch([Item(0xA001, memoryview(data))], PLAN)  # type: ignore[arg-type]  # to watch it
    data[0] = 0xFF
    assert batch.items[0].value[0] == 0xFF


def test_content_that_cannot_be_written_is_named() -> None:
    with pytest.raises(SourceError, match="A001 is given twice"):
        Batch([Item(0xA001, b"x"), Item(0xA001, b"y")], PLAN)


def test_the_terms_of_a_profile_are_made_once() -> None:
    asked = opening()
    assert terms_of(asked, PLAN) is terms_of(opening(challenge=b"\x01" * 8), PLAN)
    other = msgspec.structs.replace(asked, aid=bytes(16))
    assert terms_of(other, PLAN) is not terms_of(asked, PLAN)

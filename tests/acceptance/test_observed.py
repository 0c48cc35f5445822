import pytest
from hypothesis import given
from hypothesis import strategies as st

from kfasync.acceptance.observed import observe, parts
from kfasync.acceptance.subject import Content, Finding


@given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40))))
def test_what_was_put_together_is_taken_apart(values: list[tuple[int, bytes]]) -> None:
    block = b"".join(bytes((tag,)) + len(v).to_bytes(2, "big") + v for tag, v in values)
    found = [(part.tag, block[part.start : part.end]) for part in parts(block, 1, 2)]
    assert found == values


@given(st.binary(max_size=60))
def test_any_bytes_are_parts_or_a_finding(block: bytes) -> None:
    try:
        found = list(parts(block, 2, 4))
    except Finding:
        return
    assert sum(6 + part.end - part.start for part in found) == len(block)


def content(scalar: int, irk: bytes = bytes(16), spid: bytes = b"A" * 40) -> Content:
    """As much of a lease as tells contents apart; it is not well-formed."""
    values = ((0x10, scalar.to_bytes(32, "big")), (0x11, irk))
    block = b"".join(bytes((tag,)) + len(v).to_bytes(2, "big") + v for tag, v in values)
    return Content(b"id", b"1KM00001", spid, 255, bytes(9), b"", block)


def test_identities_are_those_of_the_contents_and_not_of_their_writing() -> None:
    one, other = observe(content(7)), observe(content(7, spid=b"a" * 40))
    assert one.same_as == other.same_as
    assert one.same_as.keys() == {"SPID", "IRK", "device key"}
    assert one.fesn == "1KM00001"
    assert one.trouble is not None


@pytest.mark.parametrize("scalar", [0, 2**256 - 1])
def test_a_scalar_that_is_none_has_no_key(scalar: int) -> None:
    assert "device key" not in observe(content(scalar)).same_as


@pytest.mark.parametrize("lease_id", [b"id\x7f", b"id\n", b"id\xff"])
def test_a_lease_id_that_a_station_refuses_is_trouble(lease_id: bytes) -> None:
    seen = observe(content(7)._replace(lease_id=lease_id))
    assert seen.trouble == "lease_id is not UTF-8, or cannot be printed"


def test_no_secret_is_told() -> None:
    irk = bytes(range(16))
    told = str(observe(content(7, irk)))
    assert irk.hex() not in told
    assert repr(irk) not in told


@given(st.binary(max_size=80), st.binary(max_size=80), st.binary(max_size=50))
def test_any_lease_can_be_looked_at(items: bytes, secrets: bytes, name: bytes) -> None:
    seen = observe(Content(name, name, name, 0, bytes(9), items, secrets))
    assert seen.trouble is not None

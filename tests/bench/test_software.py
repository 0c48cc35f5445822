from hypothesis import given
from hypothesis import strategies as st

from kfasync.bench.rounds import Family
from kfasync.bench.software import COPIED, NEW, PURE, candidates, product
from kfasync.bench.task import task
from kfasync.crypto.choose import choose


@given(st.binary(min_size=16, max_size=16), st.binary(max_size=80))
def test_the_primitives_differ_in_speed_only(key: bytes, message: bytes) -> None:
    macs = {primitives.mac_of(key)(message) for primitives in (PURE, NEW, COPIED)}
    assert len(macs) == 1


def test_each_way_is_measured_per_mac_per_session_and_per_fob() -> None:
    ids = [one.id for one in candidates(task())]
    works = ("mac16", "mac64", "mac256", "session", "fob")
    ways = ("pure", "cryptography-new", "cryptography-copied")
    assert len(ids) == len(set(ids))
    assert {f"{work}/{way}" for work in works for way in ways} < set(ids)
    assert {"whole/product-pure", "whole/product-cryptography"} < set(ids)


def test_the_product_stands_under_the_name_of_its_path() -> None:
    one = product(choose("cryptography"), Family.CRYPTOGRAPHY, task())
    assert one.id == "whole/product-cryptography"
    assert one.sample(1) > 0

import pytest

from kfasync.bench.native import candidates, latency, wipe
from kfasync.bench.task import task
from kfasync.crypto.choose import choose
from kfasync.crypto.native import tiers
from kfasync.errors import CryptoPathError

TASK = task()


@pytest.mark.parametrize("finely", [False, True], ids=["coarsely", "finely"])
@pytest.mark.parametrize("tier", tiers())
def test_every_candidate_of_a_tier_can_be_sampled(tier: str, finely: bool) -> None:
    choose(f"native-{tier}")  # makes the arena
    found = {one.id: one for one in candidates(TASK, tier, finely=finely)}
    assert {
        f"fob/native-{tier}",
        f"fob/native-{tier}-one-bytes",
        f"whole/native-{tier}",
        f"whole/raw-{tier}",
        f"chain/raw-{tier}",
    } < found.keys()
    assert (f"fob/native-{tier}-macs" in found) is finely
    for one in found.values():
        assert one.sample(1) > 0


def test_a_slot_is_wiped_in_some_time() -> None:
    choose("native")
    assert wipe().sample(2) > 0


def test_the_latency_is_measured_exactly_where_there_is_an_instruction() -> None:
    if tiers() == ["portable"]:
        with pytest.raises(CryptoPathError, match="no instruction"):
            latency()
    else:
        assert latency().sample(2) > 0

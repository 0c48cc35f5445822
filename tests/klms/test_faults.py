import pytest

from kfasync.errors import ConfigError
from kfasync.klms.faults import Fault, Faults, parse


def test_a_rate_is_a_share_and_a_seed_repeats_it() -> None:
    runs = []
    for _ in range(2):
        faults = Faults({Fault.UNAVAILABLE: 0.25}, seed=7)
        runs.append([faults.strikes(Fault.UNAVAILABLE) for _ in range(1000)])
    assert runs[0] == runs[1]
    assert 200 < sum(runs[0]) < 300


def test_what_strikes_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "kfasync.klms")
    faults = Faults({Fault.UNAVAILABLE: 0.5}, seed=7)
    struck = sum(faults.strikes(Fault.UNAVAILABLE) for _ in range(100))
    assert 0 < struck < 100
    assert caplog.messages == ["fault 503"] * struck


def test_what_is_off_never_strikes_and_moves_no_other() -> None:
    alone, beside = (Faults({Fault.HUGE: 0.5}, seed=7) for _ in range(2))
    for _ in range(100):
        assert not beside.strikes(Fault.EXPIRED)
        assert alone.strikes(Fault.HUGE) == beside.strikes(Fault.HUGE)


def test_a_flip_changes_one_bit() -> None:
    blob = bytes(range(100))
    flipped = Faults(seed=7).flip(blob)
    differing = int.from_bytes(blob) ^ int.from_bytes(flipped)
    assert differing.bit_count() == 1


def test_names_and_rates_of_the_command_line() -> None:
    assert parse(["429", "latency=0.5"]) == {Fault.TOO_MANY_REQUESTS: 1.0, Fault.LATENCY: 0.5}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("fire", "there is no fault 'fire'; choose from latency, 429"),
        ("429=2", "429=2: the rate is not a number from 0 to 1"),
        ("429=often", "the rate is not a number"),
        ("429=nan", "the rate is not a number"),
    ],
)
def test_what_is_no_fault_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        parse([text])

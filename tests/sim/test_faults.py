import pytest

from kfasync.sim.faults import IMMEDIATE, NFC, Fault, FaultKind, FaultPlan, Timing


def test_a_fault_happens_at_its_command_and_once() -> None:
    slow = Fault(FaultKind.SLOW, 2, delay_s=1.0)
    plan = FaultPlan([slow])
    plan.commands = 1
    assert plan.now(FaultKind.SLOW) is None
    plan.commands = 2
    assert plan.now(FaultKind.HUNG) is None
    assert plan.now(FaultKind.SLOW) == slow
    assert plan.now(FaultKind.SLOW) is None


def test_equal_faults_happen_one_after_the_other() -> None:
    plan = FaultPlan([Fault(FaultKind.TORN_BEFORE, 1)] * 2)
    plan.commands = 1
    heard = [plan.now(FaultKind.TORN_BEFORE) is not None for _ in range(3)]
    assert heard == [True, True, False]


@pytest.mark.parametrize(
    ("timing", "seconds"),
    [
        (IMMEDIATE, 0),
        (Timing(command_s=1), 1),
        (Timing(air_byte_s=1), 5 + 2),
        (Timing(written_byte_s=1), 100),
        (Timing(command_s=1, air_byte_s=1, written_byte_s=1), 108),
    ],
)
def test_time_is_the_command_the_air_and_the_writing(timing: Timing, seconds: float) -> None:
    assert timing.seconds(bytes(5), bytes(2), 100) == seconds


def test_a_fob_takes_about_600_ms_over_nfc() -> None:
    blocks = [NFC.seconds(bytes(4 + 1 + 245 + 8), bytes(2), 245)] * 7
    opening = [NFC.seconds(bytes(20), bytes(30), 0)] * 6
    assert 0.4 < sum(blocks + opening) < 0.8

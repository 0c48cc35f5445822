import pytest

from kfasync.errors import ShiftError
from kfasync.station.batch import Batch, Check, CheckState, ReferenceFound, Role, sentence
from kfasync.station.start import ShiftSection

GOLDEN, BAD, FOB = bytes.fromhex("04A1B2C3D4E5F6"), bytes.fromhex("04A1B2C3D4E5F7"), b"\x04" * 7
REFERENCES = ShiftSection(golden=(GOLDEN.hex(),), known_bad=(BAD.hex().upper(),))
GOOD = (Check("disk", CheckState.GOOD, "much of it"),)
RED = (*GOOD, Check("readers", CheckState.RED, "none is there"))


class Desk:
    def __init__(self, section: ShiftSection | None = REFERENCES, *, gated: bool = True) -> None:
        self.now_s = 100.0
        self.batch = Batch(section, gated=gated, clock=lambda: self.now_s)

    def prove_both(self) -> None:
        for role in Role:
            self.batch.prove(role, good=True, said="fine")

    def states(self) -> dict[str, str]:
        return {one.name: one.state.value for one in self.batch.checks()}


def test_where_nothing_is_configured_every_fob_is_admitted() -> None:
    batch = Batch(None, gated=True)
    batch.admit(FOB)
    batch.look(RED)
    batch.admit(FOB)
    assert not batch.is_reference(FOB)


def test_nothing_begins_before_somebody_has_looked_and_all_is_good() -> None:
    desk = Desk()
    assert desk.states() == {"station": "due", "golden": "due", "known-bad": "due"}
    with pytest.raises(ShiftError, match="nobody has looked yet"):
        desk.batch.admit(FOB)
    desk.batch.look(RED)
    desk.prove_both()
    with pytest.raises(ShiftError, match=r"not done: readers red \(none is there\)$"):
        desk.batch.admit(FOB)
    desk.batch.look(GOOD)
    desk.batch.admit(FOB)
    assert desk.states() == {"disk": "good", "golden": "good", "known-bad": "good"}


@pytest.mark.parametrize("gated", [True, False])
def test_a_reference_fob_is_never_admitted(gated: bool) -> None:
    desk = Desk(gated=gated)
    for _ in range(2):
        for uid, role in ((GOLDEN, Role.GOLDEN), (BAD, Role.KNOWN_BAD)):
            with pytest.raises(ReferenceFound) as found:
                desk.batch.admit(uid)
            assert (found.value.role, found.value.uid) == (role, uid)
            assert desk.batch.is_reference(uid)
        desk.batch.look(GOOD)
        desk.prove_both()


def test_a_wrong_finding_is_red_until_the_fob_is_what_it_should_be() -> None:
    desk = Desk()
    desk.batch.look(GOOD)
    desk.batch.prove(Role.GOLDEN, good=True, said="found good")
    desk.batch.prove(Role.KNOWN_BAD, good=False, said="not refused")
    with pytest.raises(ShiftError, match=r"known-bad red \(not refused\)"):
        desk.batch.admit(FOB)
    desk.batch.prove(Role.KNOWN_BAD, good=True, said="refused")
    desk.batch.admit(FOB)


def test_references_are_due_again_after_so_many_fobs() -> None:
    desk = Desk(ShiftSection(golden=(GOLDEN.hex(),), every_fobs=3))
    desk.batch.look(GOOD)
    desk.prove_both()
    for _ in range(3):
        desk.batch.admit(FOB)
    with pytest.raises(ShiftError, match="golden due"):
        desk.batch.admit(FOB)
    desk.batch.prove(Role.GOLDEN, good=True, said="found good")
    for _ in range(3):
        desk.batch.admit(FOB)


def test_references_are_due_again_after_so_many_hours() -> None:
    desk = Desk(ShiftSection(golden=(GOLDEN.hex(),), known_bad=(BAD.hex(),), every_hours=8.0))
    desk.batch.look(GOOD)
    desk.prove_both()
    desk.now_s += 8 * 3600 - 1
    desk.batch.admit(FOB)
    desk.now_s += 1
    assert desk.states() == {"disk": "good", "golden": "due", "known-bad": "due"}
    desk.batch.prove(Role.GOLDEN, good=True, said="found good")
    assert desk.states()["known-bad"] == "due"


def test_a_list_is_said_in_one_line() -> None:
    assert sentence(RED) == "disk good (much of it); readers red (none is there)"

"""A session with a reference fob, on the simulated one."""

import msgspec
import pytest

from kfasync.core.effects import Exchange, drive
from kfasync.core.profile import CardProfile
from kfasync.core.reference import ReferenceSession
from kfasync.errors import CryptogramError, KeyCheckError, StatusWordError
from kfasync.model import KeyCheckValues, KeySet, Stage
from kfasync.sim.applet import Lifecycle
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from tests.core.hand import KEYS, PATH, UID, Attempt

SELECT, INITIALIZE_UPDATE, EXTERNAL_AUTHENTICATE = "A4", "50", "82"


class Talk:
    """A session driven by hand.

    Attributes:
        said: to the fob, by instruction.
    """

    def __init__(self, fob: SimulatedFob, keys: KeySet = KEYS[128]) -> None:
        fob.reset()
        self._fob = fob
        self.said: list[str] = []
        self.session = ReferenceSession(CardProfile(), PATH, keys, atr=b"", host_challenge=bytes(8))

    def run(self) -> None:
        drive(self.session.run(), self._perform)

    def _perform(self, effect: object) -> bytes:
        assert isinstance(effect, Exchange)
        self.said.append(f"{effect.command[1]:02X}")
        return self._fob.transmit(effect.command)


def test_a_good_fob_is_opened_authenticated_and_left() -> None:
    fob = SimulatedFob(uid=UID, keys=KEYS[128])
    for _ in range(3):
        talk = Talk(fob)
        talk.run()
        assert talk.said == [SELECT, INITIALIZE_UPDATE, EXTERNAL_AUTHENTICATE]
        assert talk.session.facts is not None
        assert talk.session.stage is Stage.EXTERNAL_AUTHENTICATE
    assert fob.personalizations == 0


def test_a_fob_that_is_finished_is_good_too() -> None:
    fob = SimulatedFob(uid=UID, keys=KEYS[128])
    Attempt(fob).run()
    assert fob.lifecycle is Lifecycle.FACTORY
    Talk(fob).run()
    assert fob.personalizations == 1


def test_a_fob_with_other_keys_is_refused_before_it_costs_a_try() -> None:
    talk = Talk(SimulatedFob(uid=UID, keys=KEYS[192]))
    with pytest.raises(CryptogramError):
        talk.run()
    assert talk.said == [SELECT, INITIALIZE_UPDATE]


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_fob_that_refuses_a_command_is_refused(at: int) -> None:
    refusal = Fault(FaultKind.STATUS_WORD, at=at, sw=0x6A82)
    talk = Talk(SimulatedFob(uid=UID, keys=KEYS[128], faults=[refusal]))
    with pytest.raises(StatusWordError, match="6A82"):
        talk.run()
    assert len(talk.said) == at


def test_keys_that_are_not_those_of_their_check_values_are_said() -> None:
    wrong = KeyCheckValues(bytes(3), bytes(3), bytes(3))
    talk = Talk(
        SimulatedFob(uid=UID, keys=KEYS[128]), msgspec.structs.replace(KEYS[128], kcv=wrong)
    )
    with pytest.raises(KeyCheckError):
        talk.run()

"""What is found of a reference fob: it is looked at on a lane's reader, and never written."""

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager

import msgspec
from anyio import from_thread

from kfasync.contracts.cards import Card
from kfasync.core.effects import Effect, Exchange, drive
from kfasync.core.reference import ReferenceSession
from kfasync.errors import CardError, KfError, LinkError
from kfasync.station.attempt import CHALLENGE_SIZE
from kfasync.station.batch import ReferenceFound, Role
from kfasync.station.desk import Desk
from kfasync.station.shiftlog import note


class Proved(msgspec.Struct, frozen=True):
    """A reference fob was looked at; ``good`` when it was what it should be.

    ``said`` is what was found, in a clause.
    """

    role: Role
    uid: bytes
    good: bool
    said: str


def prove(
    desk: Desk,
    found: ReferenceFound,
    slot: int,
    card: Card,
    watched: Callable[[], AbstractContextManager[None]],
) -> Proved:
    """Look at it, put the check on the list, and write down how the list stands; blocks.

    Args:
        watched: put around every call that may never return, for the lane's watchdog.

    Raises:
        LinkError: it left too early, so nothing was found.
        LedgerError: it cannot be written down.
    """
    proved = _look(desk, found, card, watched)
    uid = found.uid.hex().upper()
    desk.batch.prove(proved.role, good=proved.good, said=f"fob {uid} was {proved.said}")
    note(desk, f"lane {slot}")
    return proved


def _look(
    desk: Desk,
    found: ReferenceFound,
    card: Card,
    watched: Callable[[], AbstractContextManager[None]],
) -> Proved:
    def perform(effect: Effect) -> bytes:
        assert isinstance(effect, Exchange)  # a session with nothing to store asks for no more
        from_thread.check_cancelled()
        with watched():
            return card.transmit(effect.command)

    assert desk.reference_keys is not None  # the configuration is refused without
    session = ReferenceSession(
        desk.profile,
        desk.path,
        desk.reference_keys,
        atr=card.atr,
        host_challenge=secrets.token_bytes(CHALLENGE_SIZE[desk.profile.scp03_mode]),
    )
    golden = found.role is Role.GOLDEN
    try:
        drive(session.run(), perform)
    except LinkError:
        raise
    except KfError as error:
        # What is no word of the card's, a wrong key in the configuration say, refuses no fob.
        refused = isinstance(error, CardError) and not golden
        return Proved(found.role, found.uid, refused, f"refused: {error}")
    said = "found good" if golden else "not refused: this station would let bad fobs through"
    return Proved(found.role, found.uid, golden, said)

"""A session with a reference fob: it is opened, authenticated and left.

Nothing is stored in it, so that a fob can be asked every day. What it proves is the way to the
card: reader, field, applet, keys, and the crypto path that a batch will use.

    SELECT, INITIALIZE UPDATE      the card cryptogram is verified, or the fob is refused here
    EXTERNAL AUTHENTICATE          accepted by the card, or it is refused here
"""

from kfasync.contracts.crypto import CryptoPath
from kfasync.core.effects import Flow
from kfasync.core.flow import Provisioning
from kfasync.core.profile import CardProfile
from kfasync.model import KeySet, Stage


class ReferenceSession(Provisioning):
    """One session with a reference fob whose UID is known already."""

    def __init__(
        self,
        profile: CardProfile,
        path: CryptoPath,
        keys: KeySet,
        *,
        atr: bytes,
        host_challenge: bytes,
    ) -> None:
        super().__init__(profile, path, atr=atr, host_challenge=host_challenge)
        self._keys = keys

    def run(self) -> Flow[None]:
        """The whole of it; returns when the fob is found good, raises KfError when it is not."""
        opening = yield from self._begin()
        slot = self._path.load(self._keys)
        try:
            channel = slot.open_session(opening)
            self.facts = channel.facts
            try:
                self.stage = Stage.EXTERNAL_AUTHENTICATE
                yield from self._demand(channel.external_authenticate, confidential=True)
            finally:
                channel.close()
        finally:
            slot.wipe()

"""One SCP03 session in a slot of the arena."""

from collections.abc import Sequence
from typing import Any

from kfasync._kf_core import ffi, lib
from kfasync.core import channel
from kfasync.core.apdu import ResponseApdu
from kfasync.crypto.native.batch import SECURING_MAX, Batch, cut, terms_of
from kfasync.crypto.native.binding import checked, unexpected
from kfasync.errors import ChannelError
from kfasync.model import Item, Opening, SessionFacts, StoreDataPlan

PENDING_MAX = lib.KF_PENDING_MAX


class NativeChannel:
    """One open session: the one of its slot, as long as the slot opens no other."""

    def __init__(
        self, slot: Any, opening: Opening, facts: SessionFacts, external_authenticate: bytes
    ) -> None:
        self._slot = slot
        self._opening = opening
        self._pending = 0
        self.facts = facts
        self.external_authenticate = external_authenticate

    def expect(self, answers: int) -> None:
        """So many commands more have been secured."""
        self._pending += answers

    def wrap(self, commands: Sequence[bytes]) -> list[bytes]:
        """Secure plain commands, all of them or none."""
        slot = self._alive()
        self._require_room(len(commands))
        ends, at = ffi.new("uint32_t[]", len(commands)), 0
        for number, command in enumerate(commands):
            ends[number] = at = at + len(command)
        capacity = at + SECURING_MAX * len(commands)
        out, out_ends = ffi.new("uint8_t[]", capacity), ffi.new("uint32_t[]", len(commands))
        if lib.kf_wrap_batch(
            slot, b"".join(commands), ends, len(commands), out, capacity, out_ends
        ):
            raise _malformed(commands)
        self.expect(len(commands))
        return cut(out, out_ends, len(commands))

    def wrap_store_data(self, items: Sequence[Item], plan: StoreDataPlan) -> list[bytes]:
        """Encode, encrypt, cut and secure a fob's items in one call."""
        slot = self._alive()
        batch = Batch(items, plan)
        self._require_room(batch.count[0])
        terms = terms_of(self._opening, plan)
        checked(
            lib.kf_wrap_store_data(
                slot,
                terms,
                batch.items,
                len(items),
                batch.out,
                batch.capacity,
                batch.ends,
                batch.count,
            )
        )
        commands = batch.commands()
        self.expect(len(commands))
        return commands

    def unwrap(self, answer: bytes) -> bytes:
        """Verify and open the answer to the oldest command that has none yet."""
        slot = self._alive()
        if not self._pending:
            raise channel.all_answered()
        self._pending -= 1
        buffer, size = bytearray(answer), ffi.new("uint32_t *", len(answer))
        code = lib.kf_unwrap(slot, ffi.from_buffer("uint8_t[]", buffer), size)
        if code:
            self.close()
            raise self._unopened(code, answer)
        opened = bytes(buffer[: size[0]])
        if opened[-2:] != b"\x90\x00" and opened[-2] not in (0x62, 0x63):
            self.close()  # a refusal ends the session on both sides
        return opened

    def close(self) -> None:
        """Forget the session keys; the channel is dead for good."""
        if self._slot is not None:
            lib.kf_session_close(self._slot)
            self._slot = None

    def _alive(self) -> Any:
        if self._slot is None:
            raise channel.dead()
        return self._slot

    def _require_room(self, commands: int) -> None:
        if self._pending + commands > PENDING_MAX:
            raise ValueError(f"more than {PENDING_MAX} commands would wait for their answers")

    def _unopened(self, code: int, answer: bytes) -> ChannelError | ValueError:
        sw = ResponseApdu.decode(answer).sw
        errors = {
            lib.KF_E_NO_RMAC: channel.no_response_mac(sw, self._opening.security_level),
            lib.KF_E_RMAC: channel.wrong_response_mac(),
            lib.KF_E_PADDING: channel.undecipherable(),
        }
        return errors.get(code) or unexpected(code)


def _malformed(commands: Sequence[bytes]) -> ValueError:
    """What the other paths say of the command that C refused."""
    for command in commands:
        channel.decode(command)
    return ValueError("a command is too long to be secured")

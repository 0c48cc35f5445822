"""Every error of this package, as one tree.

    KfError(retryable, exit_code)
    ├── CardError                     the fob said no, or something nobody understands
    │   ├── LinkError                 the fob or its reader is gone; place the fob again
    │   │   └── HungCardError         no answer within the deadline; the watchdog cut the link
    │   ├── StatusWordError           the card refused a command
    │   ├── AnswerFormatError         an answer that is not what the standard says
    │   ├── IdentityError             the fob has no stable UID to be known by
    │   ├── CapabilityError           the profile asks for what the card does not announce
    │   ├── UnprovedError             the fob is in FACTORY, and nothing proves that we did that
    │   └── ChannelError              the secure channel is dead for good
    │       ├── CryptogramError       the two sides hold different keys: never retry
    │       └── ResponseMacError      an answer was changed or invented on its way
    ├── ReaderError                   no such reader, no PC/SC daemon, no PC/SC library
    ├── SourceError                   no content for this fob
    │   ├── SourceUnavailableError    ask again later
    │   ├── LeaseExpiredError         the lease ran out, or another lane took it over
    │   ├── KeyCheckError             the keys are not those their check values speak of
    │   ├── KeyBlockError             the secrets of a fob came in a block that is not one
    │   ├── ContainerError            a file of a container, or the whole of it, is wrong
    │   ├── TrustError                one of the two sides of a TLS connection is not accepted
    │   ├── KlmsError                 the key server refused, or its answer is refused
    │   └── ProviderError             the vendor's library refused, broke its rules, or died
    ├── UnitError                     this UID has had its turn: nothing is sent to it
    │   ├── AlreadyProvisionedError   it passed
    │   └── UnitRejectedError         it failed for good
    ├── ShiftError                    a check of the shift is not done: no batch goes on
    ├── StoppedError                  a person stopped it, and nothing was left half-done
    ├── LedgerError                   the ledger cannot be trusted: the lane stops
    ├── LaneError                     a lane that is not there, or not stopped
    ├── NoStationError                no station runs there that could be asked
    ├── LaneStoppedError              a lane that was to be measured has stopped
    ├── ConfigError                   a key of the configuration is wrong
    └── CryptoPathError               the crypto path asked for is not to be had

The class says what the caller does next; everything else is data on the instance.
Wrong arguments stay ``ValueError``. No message ever holds a key, a cryptogram or a MAC.
"""

from pathlib import Path
from typing import ClassVar


class KfError(Exception):
    """Base of every error that kfasync raises on purpose."""

    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1


class CardError(KfError):
    """The fob refused, or answered what nobody understands."""


class LinkError(CardError):
    """The fob left the field, or its reader or the PC/SC daemon went away."""

    retryable = True
    exit_code = 4


class HungCardError(LinkError):
    """The card did not answer before its deadline and the link was cut."""


class StatusWordError(CardError):
    """The card answered a command with a status word other than 9000.

    Attributes:
        sw: the status word, 0x0000 to 0xFFFF.
    """

    def __init__(self, sw: int, message: str) -> None:
        super().__init__(message)
        self.sw = sw


class AnswerFormatError(CardError):
    """An answer has the wrong length or structure for the command that was sent."""


class IdentityError(CardError):
    """The fob shows no stable UID, so nothing may be bound to it."""


class CapabilityError(CardError):
    """The profile asks for a security level, mode or key version that the card does not offer."""


class UnprovedError(CardError):
    """The applet is in FACTORY already, and nothing proves that this station brought it there."""


class ChannelError(CardError):
    """The secure channel is dead; only a new session leads on."""


class CryptogramError(ChannelError):
    """The card cryptogram or card challenge does not verify: other keys, or another card."""


class ResponseMacError(ChannelError):
    """An answer carries no R-MAC, or a wrong one."""


class ReaderError(KfError):
    """No such reader, no PC/SC daemon, or no PC/SC library on this machine."""

    exit_code = 4


class SourceError(KfError):
    """The source of fob content has nothing for this unit.

    Attributes:
        pool_empty: it has no content for any other one either, before some comes back.
    """

    exit_code = 3
    pool_empty = False


class SourceUnavailableError(SourceError):
    """The source does not answer now and may later."""

    retryable = True


class LeaseExpiredError(SourceError):
    """The lease ran out, or was taken over, before the card was written."""

    retryable = True


class KeyCheckError(SourceError):
    """A static key does not have the key check value that came with it."""

    exit_code = 1


class KeyBlockError(SourceError):
    """A key block that is not one, or that does not make a whole fob with the items beside it.

    The message says what came, and begins with it: whoever knows where from puts that before it.
    """


class ContainerError(SourceError):
    """A container is not what the format says.

    Attributes:
        path: the file or directory that is wrong.
    """

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.path = path


class TrustError(SourceError):
    """A certificate, a name or a TLS version is not accepted: by the key server, or by us."""


class KlmsError(SourceError):
    """The key server refused a request for good, or gave an answer that is refused.

    Attributes:
        code: of the problem, as docs/klms.md lists them.
        operator_action: what the operator does about it.
    """

    def __init__(
        self, code: str, message: str, operator_action: str, *, pool_empty: bool = False
    ) -> None:
        super().__init__(message)
        self.code = code
        self.operator_action = operator_action
        self.pool_empty = pool_empty


class ProviderError(SourceError):
    """The vendor's library refused a call for good, broke the rules of its interface, or died.

    Attributes:
        code: its result, below 0; None when it gave none that could be believed.
    """

    def __init__(self, code: int | None, message: str, *, pool_empty: bool = False) -> None:
        super().__init__(message)
        self.code = code
        self.pool_empty = pool_empty


class UnitError(KfError):
    """This unit already has an outcome that is final, so nothing is sent to it."""


class AlreadyProvisionedError(UnitError):
    """This unit has passed before."""


class UnitRejectedError(UnitError):
    """This unit has failed for good before, and its content is in quarantine."""


class ShiftError(KfError):
    """A check of the shift is red or due, so no batch goes on; nothing was sent to the fob."""


class StoppedError(KfError):
    """A person stopped the command before it had done anything that matters."""

    exit_code = 130  # as a shell says it of SIGINT


class LedgerError(KfError):
    """The ledger cannot be read, written or believed."""

    exit_code = 3


class LaneError(KfError):
    """There is no such lane, or it cannot do now what is asked of it."""

    exit_code = 2


class NoStationError(KfError):
    """No station runs on that data directory, or it does not listen to this user."""

    exit_code = 3


class LaneStoppedError(KfError):
    """A lane that was to be measured has stopped, or says nothing more: there are no figures."""


class ConfigError(KfError):
    """A configuration file is wrong.

    Attributes:
        key: dotted name of the offending key, or "" when the file as a whole is wrong.
    """

    exit_code = 2

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


class CryptoPathError(KfError):
    """The crypto path asked for does not exist here or fails its known answers."""

    exit_code = 2

"""What a fob is known by: which bytes of which answer, and whether they can be believed.

Nothing may be bound to an identity that another fob shows too, or that this one will not show
again tomorrow.
"""

from kfasync.errors import AnswerFormatError, IdentityError

GET_UID = bytes.fromhex("FFCA000000")  # PC/SC part 3, 3.2.2.1.3: the reader answers
GET_CPLC = bytes.fromhex("80CA9F7F00")  # GP Card Specification 2.3.1, 11.3

DIVERSIFICATION_DATA_SIZE = 10
_CPLC = bytes.fromhex("9F7F2A")
_FABRICATION = slice(10, 18)  # IC fabrication date, serial number, batch identifier
_UID_SIZES = (4, 7, 10)
# Of 4 bytes, the first one says what they are (ISO/IEC 14443-3, 6.5.4): 08 random, xF fixed and
# not unique, x0 to x7 the manufacturer's own number; what is left is reserved.
_RANDOM = 0x08
_NOT_UNIQUE = 0x0F
_OWN_NUMBER_MAX = 0x07


def from_uid(data: bytes) -> bytes:
    """The UID of ISO/IEC 14443-3, 6.5.4; IdentityError when another fob may have it too."""
    if len(data) not in _UID_SIZES:
        raise IdentityError(f"the reader gave a UID of {len(data)} bytes; 4, 7 or 10 are possible")
    if len(data) == 4 and data[0] & 0x0F > _OWN_NUMBER_MAX:
        if data[0] == _RANDOM:
            what = "a random UID"
        elif data[0] & 0x0F == _NOT_UNIQUE:
            what = "a UID of 4 bytes that other fobs may have too"
        else:
            what = f"a UID of 4 bytes that begins with {data[0]:02X}, which is reserved"
        raise IdentityError(
            f"the fob shows {what}, so nothing can be bound to it; set uid_source in the "
            "card profile to key-diversification-data or cplc"
        )
    return _telling(data)


def from_cplc(data: bytes) -> bytes:
    """IC fabrication date, serial number and batch identifier of the CPLC: 8 bytes."""
    if not data.startswith(_CPLC) or len(data) != len(_CPLC) + _CPLC[-1]:
        raise AnswerFormatError(f"the card's CPLC is not 42 bytes under 9F7F: {len(data)} came")
    return _telling(data[len(_CPLC) :][_FABRICATION])


def from_diversification_data(answer: bytes) -> bytes:
    """The first 10 bytes of the INITIALIZE UPDATE answer (GP Amendment D v1.2, 7.1.1)."""
    return _telling(answer[:DIVERSIFICATION_DATA_SIZE])


def _telling(identity: bytes) -> bytes:
    # Cards come with these fields blank too. Taken for an identity, the second fob of a tray
    # would be the first, and would get the first one's keys where that was torn off.
    if len(set(identity)) == 1:
        raise IdentityError(
            "what the card shows in the place of a UID is blank, so nothing can be bound to it; "
            "set uid_source in the card profile to another source"
        )
    return identity

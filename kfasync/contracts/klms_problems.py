"""Everything that can go wrong between a station and a KLMS, in one table.

The server's problems, the client's decisions and the operator's text are all made from it;
docs/klms-openapi.yaml lists the same codes, and a test holds the two together.
"""

import enum

import msgspec

TYPE_PREFIX = "urn:kfasync:problem:"

_AGAIN = "Place the fob again in a moment. If this stays, call the engineer: key server."
_SETUP = (
    "Keep the fob, nothing was written to it. Call the engineer: station and key server disagree."
)
_REVIEW = "Put the fob aside for review."


class Row(msgspec.Struct, frozen=True):
    """One problem. ``status`` is 0 where no server says this: the station finds it itself."""

    code: str
    status: int
    title: str
    operator_action: str
    retryable: bool = False


class Problem(enum.Enum):
    """One member for each code."""

    INVALID_REQUEST = Row("invalid-request", 400, "The request does not follow the API", _SETUP)
    IDEMPOTENCY_KEY_MISSING = Row(
        "idempotency-key-missing", 400, "A lease request needs a UUID as Idempotency-Key", _SETUP
    )
    STATION_MISMATCH = Row(
        "station-mismatch", 403, "The client certificate does not name this station", _SETUP
    )
    LEASE_OF_ANOTHER_STATION = Row(
        "lease-of-another-station", 403, "The lease was given to another station", _REVIEW
    )
    NOT_FOUND = Row("not-found", 404, "There is no such resource", _SETUP)
    LEASE_UNKNOWN = Row("lease-unknown", 404, "There is no such lease", _REVIEW)
    PROFILE_UNKNOWN = Row("profile-unknown", 404, "There is no such profile", _SETUP)
    METHOD_NOT_ALLOWED = Row(
        "method-not-allowed", 405, "The resource does not have this method", _SETUP
    )
    REQUEST_TIMEOUT = Row("request-timeout", 408, "The request took too long", _AGAIN, True)
    UNIT_PROVISIONED = Row(
        "unit-provisioned",
        409,
        "The unit has been provisioned already",
        "Take the fob away. It is done, and nothing was sent to it.",
    )
    UNIT_REJECTED = Row(
        "unit-rejected",
        409,
        "The unit has failed for good before",
        "Put the fob in the reject bin. Nothing was sent to it.",
    )
    UNIT_LEASED_ELSEWHERE = Row(
        "unit-leased-elsewhere",
        409,
        "Another station has an open lease for the unit",
        "Put the fob aside for review. Another station is working on a fob with this UID.",
    )
    LEASE_ENDED = Row("lease-ended", 409, "The lease has already ended", _REVIEW)
    POOL_EMPTY = Row(
        "pool-empty", 409, "No content is left", "Stop. The key server needs new content."
    )
    REQUEST_TOO_LARGE = Row("request-too-large", 413, "The request is too large", _SETUP)
    UNSUPPORTED_MEDIA_TYPE = Row(
        "unsupported-media-type", 415, "The request is not application/json", _SETUP
    )
    IDEMPOTENCY_KEY_REUSED = Row(
        "idempotency-key-reused", 422, "The Idempotency-Key belongs to another request", _SETUP
    )
    SUITE_UNSUPPORTED = Row("suite-unsupported", 422, "The server does not know this suite", _SETUP)
    TOO_EARLY = Row("too-early", 425, "The request came as TLS early data", _AGAIN, True)
    TOO_MANY_REQUESTS = Row("too-many-requests", 429, "Too many requests", _AGAIN, True)
    INTERNAL_ERROR = Row("internal-error", 500, "The KLMS has failed", _AGAIN)
    BAD_GATEWAY = Row("bad-gateway", 502, "Nothing answers behind the gateway", _AGAIN, True)
    UNAVAILABLE = Row("unavailable", 503, "The KLMS is not available now", _AGAIN, True)
    GATEWAY_TIMEOUT = Row(
        "gateway-timeout", 504, "No answer in time behind the gateway", _AGAIN, True
    )

    # What a station finds in an answer, and refuses.
    ANSWER_MALFORMED = Row("answer-malformed", 0, "The answer does not follow the API", _SETUP)
    LEASE_FOR_ANOTHER_UNIT = Row(
        "lease-for-another-unit", 0, "The answer is for another unit", _REVIEW
    )
    SEAL_BROKEN = Row(
        "seal-broken",
        0,
        "The key block was not sealed for this request, unit, station and plain part",
        _REVIEW,
    )
    KEY_BLOCK_MALFORMED = Row(
        "key-block-malformed", 0, "The sealed key block does not hold the keys of a fob", _SETUP
    )

    @property
    def code(self) -> str:
        """As it goes over the wire."""
        return self.value.code

    @property
    def type(self) -> str:
        """The URI of RFC 9457, 3.1.1."""
        return TYPE_PREFIX + self.value.code

    @classmethod
    def of(cls, code: str) -> "Problem | None":
        """The member with that code; None for one that a newer KLMS may have."""
        return _BY_CODE.get(code)


_BY_CODE = {problem.code: problem for problem in Problem}

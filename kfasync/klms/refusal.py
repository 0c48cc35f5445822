"""A request that is refused, as a problem of the catalogue (RFC 9457)."""

from collections.abc import Mapping

import msgspec

from kfasync.contracts.klms import CORRELATION_ID, PROBLEM_JSON, ProblemDetails
from kfasync.contracts.klms_problems import Problem


class ProblemError(Exception):
    """The request is refused.

    Attributes:
        problem: why.
        headers: what the answer has beside its body.
    """

    def __init__(
        self, problem: Problem, detail: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail or problem.value.title)
        self.problem = problem
        self.headers = dict(headers or {})
        self._detail = detail

    def details(self, correlation_id: str) -> ProblemDetails:
        """The problem details; ``detail`` never quotes a request."""
        return details(self.problem, correlation_id, self._detail)

    def body(self, correlation_id: str) -> bytes:
        """The same as JSON."""
        return msgspec.json.encode(self.details(correlation_id))


def details(problem: Problem, correlation_id: str, detail: str = "") -> ProblemDetails:
    """One row of the catalogue as the body of an answer."""
    row = problem.value
    return ProblemDetails(
        type=problem.type,
        title=row.title,
        status=row.status,
        code=row.code,
        retryable=row.retryable,
        operator_action=row.operator_action,
        correlation_id=correlation_id,
        detail=detail,
    )


def problem_headers(body: bytes, correlation_id: str) -> list[tuple[bytes, bytes]]:
    """The header of a problem, where no framework writes it."""
    return [
        (b"content-type", PROBLEM_JSON.encode()),
        (b"content-length", str(len(body)).encode()),
        (CORRELATION_ID.lower().encode(), correlation_id.encode()),
    ]

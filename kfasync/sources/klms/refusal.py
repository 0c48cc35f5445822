"""What a key server refused, or what of its answer is refused, as an error of ours."""

from kfasync.contracts.klms import ProblemDetails
from kfasync.contracts.klms_problems import Problem
from kfasync.errors import (
    AlreadyProvisionedError,
    KfError,
    KlmsError,
    UnitRejectedError,
)

_UNIT = {
    Problem.UNIT_PROVISIONED: AlreadyProvisionedError,
    Problem.UNIT_REJECTED: UnitRejectedError,
}
_DETAIL_MAX = 200  # characters of somebody else's text in a sentence of ours


def refusal(url: str, problem: Problem, detail: str = "") -> KlmsError:
    """What the station finds in an answer, and refuses.

    Args:
        detail: what exactly; quotes nothing of the answer.
    """
    row = problem.value
    return KlmsError(problem.code, _sentence(url, row.title, detail), row.operator_action)


def problem_error(url: str, details: ProblemDetails) -> KfError:
    """What the server refuses for good."""
    problem = Problem.of(details.code)
    if problem is None:
        # A later server may know more: its own words are all there is.
        return KlmsError(
            _printable(details.code),
            _sentence(url, _printable(details.title), _printable(details.detail)),
            _printable(details.operator_action) or "Put the fob aside for review.",
        )
    sentence = _sentence(url, problem.value.title, _printable(details.detail))
    if problem in _UNIT:
        return _UNIT[problem](sentence)
    return KlmsError(
        problem.code,
        sentence,
        problem.value.operator_action,
        pool_empty=problem is Problem.POOL_EMPTY,
    )


def _sentence(url: str, title: str, detail: str) -> str:
    return f"key server {url}: {title[:1].lower()}{title[1:]}{f': {detail}' if detail else ''}"


def _printable(text: str) -> str:
    """Text of the server for one line of ours."""
    return "".join(one if one.isprintable() else " " for one in text[:_DETAIL_MAX])

import pytest

from kfasync.contracts.klms import ProblemDetails
from kfasync.contracts.klms_problems import Problem
from kfasync.errors import AlreadyProvisionedError, KlmsError, UnitRejectedError
from kfasync.sources.klms.refusal import problem_error, refusal

URL = "https://klms:8443"


def details(
    code: str, title: str = "What it is", detail: str = "", operator_action: str = "Do this."
) -> ProblemDetails:
    return ProblemDetails(
        type=f"urn:kfasync:problem:{code}",
        title=title,
        status=409,
        code=code,
        retryable=False,
        operator_action=operator_action,
        correlation_id="c",
        detail=detail,
    )


@pytest.mark.parametrize("problem", Problem)
def test_every_problem_is_an_error_with_the_tables_own_words(problem: Problem) -> None:
    error = problem_error(URL, details(problem.code))
    kind = {
        Problem.UNIT_PROVISIONED: AlreadyProvisionedError,
        Problem.UNIT_REJECTED: UnitRejectedError,
    }.get(problem, KlmsError)
    assert type(error) is kind
    assert str(error).lower() == f"key server {URL}: {problem.value.title}".lower()
    if isinstance(error, KlmsError):
        assert error.code == problem.code
        assert error.operator_action == problem.value.operator_action
        assert error.exit_code == 3


def test_what_a_later_server_says_is_passed_on_in_one_line() -> None:
    error = problem_error(URL, details("quota\nused-up", title="Quota used up", detail="a\x1bb"))
    assert isinstance(error, KlmsError)
    assert str(error) == f"key server {URL}: quota used up: a b"
    assert error.code == "quota used-up"
    assert error.operator_action == "Do this."


def test_without_an_action_a_person_looks() -> None:
    error = problem_error(URL, details("new", operator_action=""))
    assert isinstance(error, KlmsError)
    assert error.operator_action == "Put the fob aside for review."


def test_what_the_station_finds() -> None:
    error = refusal(URL, Problem.SEAL_BROKEN)
    assert str(error) == f"key server {URL}: the key block was not sealed for this request, " + (
        "unit, station and plain part"
    )

import json

from kfasync.contracts.klms_problems import Problem
from kfasync.klms.refusal import ProblemError, problem_headers


def test_a_problem_is_its_row_of_the_catalogue() -> None:
    body = json.loads(ProblemError(Problem.POOL_EMPTY, "detail").body("id-1"))
    row = Problem.POOL_EMPTY.value
    assert body == {
        "type": "urn:kfasync:problem:pool-empty",
        "title": row.title,
        "status": 409,
        "code": "pool-empty",
        "retryable": False,
        "operator_action": row.operator_action,
        "correlation_id": "id-1",
        "detail": "detail",
    }


def test_without_a_detail_there_is_none() -> None:
    assert "detail" not in json.loads(ProblemError(Problem.POOL_EMPTY).body("id-1"))


def test_the_header_of_a_problem() -> None:
    assert dict(problem_headers(b"body", "id-1")) == {
        b"content-type": b"application/problem+json",
        b"content-length": b"4",
        b"x-correlation-id": b"id-1",
    }

"""The catalogue, docs/klms-openapi.yaml and the tables of docs/klms.md say the same."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # PyYAML ships no types

from kfasync.contracts.klms_problems import Problem

DOCS = Path(__file__).parents[2] / "docs"
OPENAPI: dict[str, Any] = yaml.safe_load((DOCS / "klms-openapi.yaml").read_text("utf-8"))
GUIDE = (DOCS / "klms.md").read_text("utf-8")
COMPONENTS = OPENAPI["components"]
OF_SERVERS = [problem for problem in Problem if problem.value.status]
OF_STATIONS = [problem for problem in Problem if not problem.value.status]
# What only the answer to one end of a batch says.
OF_ENDS = {Problem.LEASE_OF_ANOTHER_STATION, Problem.LEASE_UNKNOWN}
# One end that was not taken is example enough.
WITH_EXAMPLE = [problem for problem in OF_SERVERS if problem is not Problem.LEASE_UNKNOWN]
# What may be asked again without a change, besides of what a row says for itself (contracts, 2).
RETRIED = {408, 425, 429, 502, 503, 504}


def test_the_document_lists_the_codes_of_servers() -> None:
    codes = COMPONENTS["schemas"]["ProblemCode"]["enum"]
    assert sorted(codes) == sorted(problem.code for problem in OF_SERVERS)


def test_every_code_is_of_an_operation_under_its_status() -> None:
    found = set()
    for path in OPENAPI["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if "$ref" not in response:
                    continue
                shared = COMPONENTS["responses"][response["$ref"].rsplit("/", 1)[1]]
                medium = shared["content"]["application/problem+json"]
                refined = medium["schema"]["allOf"][1]["properties"]
                assert refined["status"]["const"] == int(status)
                assert set(refined["code"]["enum"]) == set(medium["examples"])
                found |= {(code, int(status)) for code in refined["code"]["enum"]}
    whole = set(OF_SERVERS) - OF_ENDS
    assert found == {(problem.code, problem.value.status) for problem in whole}


@pytest.mark.parametrize("problem", WITH_EXAMPLE)
def test_the_example_of_a_problem_is_its_row(problem: Problem) -> None:
    examples = {name: example["value"] for name, example in COMPONENTS["examples"].items()}
    for end in examples["outcomes-answer"]["ends"]:
        examples.setdefault(end.get("problem", {}).get("code"), end.get("problem"))
    row, value = problem.value, examples[problem.code]
    assert value["type"] == problem.type
    assert {name: value[name] for name in ("code", "status", "title", "operator_action")} == {
        "code": row.code,
        "status": row.status,
        "title": row.title,
        "operator_action": row.operator_action,
    }
    assert value["retryable"] is row.retryable


@pytest.mark.parametrize("problem", Problem)
def test_a_problem_is_found_by_its_code(problem: Problem) -> None:
    assert Problem.of(problem.code) is problem


def test_a_code_of_a_later_version_is_no_member() -> None:
    assert Problem.of("unit-on-the-moon") is None


@pytest.mark.parametrize("problem", Problem)
def test_a_row_can_be_read_by_an_operator(problem: Problem) -> None:
    row = problem.value
    assert re.fullmatch("[a-z]+(-[a-z]+)*", row.code)
    assert row.title[0].isupper()
    assert not row.title.endswith(".")
    assert row.operator_action.endswith(".")
    assert "\n" not in row.title + row.operator_action


@pytest.mark.parametrize("problem", Problem)
def test_only_what_a_retry_can_cure_is_retryable(problem: Problem) -> None:
    assert problem.value.retryable == (problem.value.status in RETRIED)


def rows(heading: str) -> list[list[str]]:
    """The cells of the table that follows that heading in the guide."""
    section = GUIDE.split(f"### {heading}\n", 1)[1].split("\n#", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_guide_has_the_table_of_servers() -> None:
    assert rows("What a server says") == [
        [
            str(problem.value.status),
            f"`{problem.code}`",
            problem.value.title,
            "yes" if problem.value.retryable else "no",
            problem.value.operator_action,
        ]
        for problem in OF_SERVERS
    ]


def test_the_guide_has_the_table_of_stations() -> None:
    assert rows("What a station finds") == [
        [f"`{problem.code}`", problem.value.title, problem.value.operator_action]
        for problem in OF_STATIONS
    ]

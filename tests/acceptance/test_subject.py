from pathlib import Path

import pytest

from kfasync.acceptance.subject import (
    Finding,
    Form,
    Subject,
    name_of,
    require,
    require_result,
    unit_struct,
)
from kfasync.acceptance.trial import Trial
from kfasync.sources.provider.abi import Result
from tests.acceptance.examined import job


def test_a_result_is_called_as_in_the_header() -> None:
    assert [name_of(one) for one in (0, -10, -102, -1234)] == [
        "KFP_OK",
        "KFP_E_SPACE",
        "KFP_E_CONTENT",
        "result -1234",
    ]


def test_what_is_required_and_not_so_is_a_finding() -> None:
    require(True, "never")
    with pytest.raises(Finding, match="the sky is not blue"):
        require(False, "the sky is not blue")
    with pytest.raises(Finding, match=r'gives KFP_E_UNIT, not KFP_OK; it says: "had it"'):
        require_result(Result.UNIT, Result.OK, "lease", "had it")


def test_a_size_larger_than_the_buffer_is_not_read() -> None:
    form = Form(10, 10)
    form.struct.items_size = 11
    with pytest.raises(Finding, match="larger than the buffers"):
        form.content()


def test_what_is_no_library_is_a_finding(tmp_path: Path) -> None:
    (tmp_path / "text.so").write_text("not a library")
    for path in (tmp_path / "text.so", tmp_path / "none.so"):
        with pytest.raises(Finding, match="cannot be loaded"):
            Subject.load(str(path))


def test_a_library_without_the_symbol_is_a_finding() -> None:
    with pytest.raises(Finding, match="does not export kf_provider_entry"):
        Subject.load("libc.so.6")


def test_a_unit_goes_into_the_structure_whole() -> None:
    unit = Trial(job(Path(), {}), "a-check").unit()
    made = unit_struct(unit)
    assert made.struct_size == 172
    assert bytes(made.uid)[: made.uid_size] == unit.uid
    assert bytes(made.atr)[: made.atr_size] == unit.atr
    assert bytes(made.aid)[: made.aid_size] == unit.aid

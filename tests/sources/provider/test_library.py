"""Loading a library: the file that was pinned, and an interface that is whole."""

import os
from pathlib import Path

import pytest

from kfasync.errors import ProviderError
from kfasync.sources.provider.abi import AbortPolicy, Threading
from kfasync.sources.provider.library import Library, LibraryFacts, digest
from tests.native_build import broken_provider, library, reference_provider


def load(path: Path) -> Library:
    return Library.load(path, digest(path))


def test_a_library_says_who_it_is() -> None:
    path = broken_provider("hostile", "-DTHREADING=KFP_SERIAL", "-DABORT_POLICY=KFP_ABORT_BINDS")
    assert load(path).facts == LibraryFacts(
        "hostile", "1.0", digest(path), Threading.SERIAL, AbortPolicy.BINDS, counts=False
    )


def test_the_ability_to_count_is_found() -> None:
    assert load(reference_provider()).facts.counts


def test_the_pin_may_be_written_in_either_case() -> None:
    path = broken_provider("hostile")
    assert Library.load(path, digest(path).upper()).facts.sha256 == digest(path)


def test_another_file_than_the_pinned_one_is_not_loaded() -> None:
    with pytest.raises(ProviderError, match="not the file that was approved: its SHA-256 is "):
        Library.load(broken_provider("hostile"), "0" * 64)


def test_a_relative_path_is_refused() -> None:
    with pytest.raises(ProviderError, match="not an absolute path"):
        digest(Path("provider.so"))


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match=r"cannot be read .*; check the path"):
        digest(tmp_path / "provider.so")


def test_what_is_no_library_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "provider.so"
    path.write_bytes(os.urandom(4096))
    with pytest.raises(ProviderError, match="cannot be loaded"):
        load(path)


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("int other = 1;", "does not export kf_provider_entry"),
        (
            '#include "kf_provider.h"\nint32_t kf_provider_entry(uint32_t a, const kf_host_v1 *h, '
            "const kf_provider_v1 **p) { (void)h; (void)p; return a == 1 ? KFP_E_ABI : KFP_OK; }",
            r"does not speak this version of the interface.*\(result -1\)",
        ),
        (
            '#include "kf_provider.h"\nint32_t kf_provider_entry(uint32_t a, const kf_host_v1 *h, '
            "const kf_provider_v1 **p) { (void)a; (void)h; (void)p; return KFP_OK; }",
            "accepted the interface without giving its table",
        ),
    ],
)
def test_a_library_without_the_interface_is_refused(
    tmp_path: Path, source: str, sentence: str
) -> None:
    (tmp_path / "provider.c").write_text(source)
    with pytest.raises(ProviderError, match=sentence):
        load(library(tmp_path / "provider.c"))


@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("-DTABLE_SIZE=88", "a table of 88 bytes, too small for version 1"),
        ("-DCANCEL=NULL", "a table without cancel"),
        ("-DTHREADING=4", "4 is not a valid Threading"),
        ("-DABORT_POLICY=0", "0 is not a valid AbortPolicy"),
        ("-DNAME=NULL", "a table without name"),
        ('-DNAME="\\xff"', "gave a name in its table that is not UTF-8"),
        ('-DNAME=""', "gave a name in its table that is empty"),
    ],
)
def test_a_table_that_is_not_whole_is_refused(flag: str, sentence: str) -> None:
    # A function that the table leaves out is one that nothing uses.
    with pytest.raises(ProviderError, match=sentence):
        load(broken_provider("hostile", flag, "-Wno-unused-function"))

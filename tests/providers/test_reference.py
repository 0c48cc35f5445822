"""What the reference provider makes of content, state and configuration that are wrong.

What it does right is asked of it by the acceptance test, as of any other library.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kfasync.acceptance.observed import parts
from kfasync.acceptance.subject import (
    NONE,
    PASS,
    PATIENCE_MS,
    Content,
    Form,
    Session,
    Subject,
    unit_struct,
)
from kfasync.model import Unit
from kfasync.sources.container import read_certificates
from kfasync.sources.provider.abi import Result, ffi
from tests.native_build import reference_provider, stock

RECORD = 32


def unit(number: int) -> Unit:
    uid = bytes((4, 0, 0, 0, 0, 0, number))
    return Unit(uid, uid, b"", bytes.fromhex("A000000857"), "test")


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    return stock(tmp_path, 3)


def subject() -> Subject:
    return Subject.load(str(reference_provider()))


def opened(config: dict[str, Any]) -> Session:
    return subject().open(json.dumps(config).encode())


def refused(config: bytes) -> tuple[int, str]:
    table = subject().table()
    made = ffi.new("kf_provider_ctx **")
    result = table.open(ffi.new("char[]", config), len(config), PATIENCE_MS, made)
    if result == Result.OK:
        table.close(made[0])
        return result, ""
    return result, Session(table, ffi.NULL).last_error()


def lease_refused(session: Session, number: int = 1) -> tuple[int, str]:
    result = session.call_lease(unit_struct(unit(number)), Form())
    return result, session.last_error() if result else ""


def container(config: dict[str, Any]) -> Path:
    """That which is leased first where all others are gone."""
    first, *others = sorted(Path(config["containers"]).iterdir())
    for other in others:
        shutil.rmtree(other)
    return first


def values(content: Content) -> dict[int, bytes]:
    return {p.tag: content.items[p.start : p.end] for p in parts(content.items, 2, 4)}


def secrets(content: Content) -> dict[int, bytes]:
    return {p.tag: content.secrets[p.start : p.end] for p in parts(content.secrets, 1, 2)}


def test_a_lease_holds_what_the_container_holds(config: dict[str, Any]) -> None:
    path = container(config)
    certificates = read_certificates(Path(config["certificates"]))
    session = opened(config)
    lease = session.lease(unit(1))
    session.close()
    assert f"{lease.fesn.decode()}-{lease.spid.decode()}" == path.name
    assert values(lease) == {
        0xA001: lease.spid,
        0xA002: (path / "keyfob_public.der").read_bytes(),
        0xA004: certificates.ica,
        0xA005: certificates.cms_root,
    }
    keys = Path(config["keys"]).read_bytes()
    assert lease.secrets.startswith(keys)
    assert secrets(lease).keys() == {0x01, 0x02, 0x03, 0x10, 0x11}


DAMAGE = {
    "FESN.txt": (b"1KM0FFFF", "FESN.txt"),
    "irk_keyfob.key": (b"=" * 24, "irk_keyfob.key"),
    "keyfob_private.der": (b"0" * 138, "keyfob_private.der"),
    "keyfob_public.der": (b"0" * 422, "keyfob_public.der"),
    "notes.txt": (b"x", "notes.txt"),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_a_wrong_file_is_named_and_nothing_is_leased(config: dict[str, Any], name: str) -> None:
    text, named = DAMAGE[name]
    (container(config) / name).write_bytes(text)
    session = opened(config)
    result, said = lease_refused(session)
    assert result == Result.CONTENT
    assert named in said
    assert session.counts() == (1, 0, 0, 0)
    session.close()


@pytest.mark.parametrize("name", sorted(set(DAMAGE) - {"notes.txt"}))
def test_a_missing_file_is_named(config: dict[str, Any], name: str) -> None:
    (container(config) / name).unlink()
    session = opened(config)
    result, said = lease_refused(session)
    assert result == Result.CONTENT
    assert name in said
    session.close()


def test_the_key_of_another_fob_is_refused(config: dict[str, Any]) -> None:
    one, other, *_ = sorted(Path(config["containers"]).iterdir())
    foreign = (other / "keyfob_private.der").read_bytes()
    (container(config) / "keyfob_private.der").write_bytes(foreign)
    session = opened(config)
    assert lease_refused(session)[0] == Result.CONTENT
    session.close()
    assert one.exists()


def test_a_file_that_is_a_link_is_refused(config: dict[str, Any], tmp_path: Path) -> None:
    path = container(config) / "irk_keyfob.key"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    session = opened(config)
    assert lease_refused(session)[0] == Result.CONTENT
    session.close()


def test_a_container_that_comes_later_is_found(config: dict[str, Any], tmp_path: Path) -> None:
    path = container(config)
    path.rename(tmp_path / path.name)
    session = opened(config)
    assert lease_refused(session)[0] == Result.EMPTY
    (tmp_path / path.name).rename(path)
    assert session.lease(unit(1)).fesn.decode() == path.name[:8]
    session.close()


def test_two_contexts_on_one_state_never_lease_one_content(config: dict[str, Any]) -> None:
    both = [opened(config) for _ in range(2)]
    leases = [both[number % 2].lease(unit(number)) for number in range(3)]
    assert len({lease.fesn for lease in leases}) == 3
    assert both[0].counts() == both[1].counts() == (0, 3, 0, 0)
    for session in both:
        session.close()


def test_a_lease_id_of_long_ago_ends_nothing_of_today(config: dict[str, Any]) -> None:
    container(config)
    session = opened(config)
    old = session.lease(unit(1))
    session.abort(old.lease_id, NONE)
    new = session.lease(unit(2))
    assert new.fesn == old.fesn
    assert session.call_commit(old.lease_id, PASS) == Result.LEASE
    session.abort(old.lease_id, NONE)  # told twice
    assert session.counts() == (0, 1, 0, 0)
    session.close()


def test_a_record_that_was_cut_short_has_not_happened(config: dict[str, Any]) -> None:
    state = Path(config["state"])
    session = opened(config)
    first = session.lease(unit(1))
    session.close()
    whole = state.read_bytes()
    state.write_bytes(whole + whole[:17])
    session = opened(config)
    assert session.counts() == (2, 1, 0, 0)
    assert session.lease(unit(1)).issued == first.issued
    session.commit(first.lease_id, PASS)
    assert session.counts() == (2, 0, 1, 0)
    session.close()
    assert len(state.read_bytes()) == 2 * RECORD


def test_a_damaged_record_stops_everything(config: dict[str, Any]) -> None:
    state = Path(config["state"])
    session = opened(config)
    session.lease(unit(1))
    session.close()
    state.write_bytes(state.read_bytes().replace(b"L ", b"X "))
    result, said = refused(json.dumps(config).encode())
    assert result == Result.INTERNAL
    assert "record 0" in said


def test_a_state_that_loses_records_stops_everything(config: dict[str, Any]) -> None:
    session = opened(config)
    session.lease(unit(1))
    Path(config["state"]).write_bytes(b"")
    assert lease_refused(session, 2)[0] == Result.INTERNAL
    session.close()


@pytest.mark.parametrize("key", ["containers", "certificates", "state", "keys", "kvn"])
def test_a_key_that_is_wrong_or_missing_is_named(config: dict[str, Any], key: str) -> None:
    text = json.dumps(config)
    without = json.dumps({name: value for name, value in config.items() if name != key})
    wrong: list[object] = [256, -1, 1.5, "255"] if key == "kvn" else ["/no/such/place", 5, [], ""]
    texts = [json.dumps({**config, key: value}) for value in wrong]
    twice = text[:-1] + f', "{key}": {json.dumps(config[key])}}}'
    for wrong_text in (without, twice, *texts):
        result, said = refused(wrong_text.encode())
        assert result == Result.CONFIG, wrong_text
        assert key in said


def test_a_key_file_without_three_keys_is_refused(config: dict[str, Any]) -> None:
    keys = Path(config["keys"])
    block = keys.read_bytes()
    for wrong in (b"", block[:-1], block + block, block[:38], block + b"\x10\x00\x20" + bytes(32)):
        keys.write_bytes(wrong)
        assert refused(json.dumps(config).encode())[0] == Result.CONFIG


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(text=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80))
def test_a_text_that_json_can_say_is_understood(config: dict[str, Any], text: str) -> None:
    """Escaped or not: the path does not exist, and no text makes it another mistake."""
    odd = {**config, "containers": "/no/such/" + text}
    for ascii_only in (True, False):
        result, said = refused(json.dumps(odd, ensure_ascii=ascii_only).encode())
        assert result == Result.CONFIG
        assert "containers" in said


@given(st.one_of(st.binary(max_size=60), st.text('{}",:\\ u0a', max_size=20).map(str.encode)))
def test_any_bytes_are_no_configuration_and_no_crash(text: bytes) -> None:
    assert refused(text)[0] == Result.CONFIG

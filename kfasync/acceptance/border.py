"""Checks of the border: the entry, the table, and the structures that cross it."""

import time
from typing import Any

import msgspec

from kfasync.acceptance.check import check
from kfasync.acceptance.pages import CANARY, Walled
from kfasync.acceptance.subject import (
    NONE,
    PASS,
    PATIENCE_MS,
    Finding,
    Form,
    Session,
    require,
    require_result,
    struct,
    unit_struct,
)
from kfasync.acceptance.trial import Trial, files, threads
from kfasync.sources.provider.abi import ABI, AbortPolicy, Result, Threading, ffi

ENTRY_S = 1.0  # a hundred times what filling in a table takes on a busy machine
UNKNOWN_KEY = "no-such-key-4711"
_TAIL = 32  # how much longer a structure of the future is made


def loads_silently(trial: Trial) -> None:
    """Nothing is printed by the library's constructors or its entry."""
    trial.load().table()
    printed = trial.printed()
    require(not printed, f"loading it prints {printed} bytes")


def entry_is_fast(trial: Trial) -> None:
    """The entry fills in a table: no thread, no file, no waiting."""
    subject = trial.load()
    started, opened = threads(), files()
    before = time.monotonic()
    subject.table()
    require(time.monotonic() - before < ENTRY_S, f"kf_provider_entry takes over {ENTRY_S} s")
    require(threads() <= started, "kf_provider_entry starts a thread")
    require(files() <= opened, "kf_provider_entry leaves a file open")


def unknown_abi_refused(trial: Trial) -> None:
    """Another interface than the known one is refused, and nothing is given out."""
    subject = trial.load()
    host = struct("kf_host_v1", name=b"kfasync")
    for abi in (0, ABI + 1, 0xFFFFFFFF):
        provider = ffi.new("const kf_provider_v1 **")
        result = subject.enter(abi, host, provider)
        require_result(result, Result.ABI, f"kf_provider_entry with host_abi {abi}")
        require(provider[0] == ffi.NULL, "kf_provider_entry changes *provider when it refuses")


def table_is_complete(trial: Trial) -> None:
    """Every field of the table says something that a host can use."""
    subject = trial.load()
    table = subject.table()
    require(table.struct_size >= ffi.sizeof("kf_provider_v1"), "the table is too small")
    require(table.struct_version >= 1, "the table has no version")
    require(table.threading in set(Threading), f"threading is {table.threading}")
    require(table.abort_policy in set(AbortPolicy), f"abort_policy is {table.abort_policy}")
    for field in ("name", "version"):
        address = getattr(table, field)
        require(address != ffi.NULL, f"{field} is NULL")
        try:
            text = ffi.string(address, 256).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Finding(f"{field} is not UTF-8") from error
        require(text and text.isprintable(), f"{field} is empty or cannot be printed")
    for field, kind in ffi.typeof("kf_provider_v1").fields:
        if kind.type.kind == "function":
            require(getattr(table, field) != ffi.NULL, f"{field} is NULL")
    require(subject.table() == table, "a second kf_provider_entry gives another table")


def unknown_interface_is_null(trial: Trial) -> None:
    """Asked for an ability that it does not have, a library says so."""
    table = trial.load().table()
    for name in (b"", b"kf.pool", b"kf.pool/99", b"no.such/1"):
        found = table.get_interface(name)
        require(found == ffi.NULL, f'get_interface("{name.decode()}") is not NULL')


def short_struct_size(trial: Trial) -> None:
    """A structure of before version 1 is refused, and not written to."""
    subject = trial.load()
    for size in (8, ffi.sizeof("kf_host_v1") - 4):
        host = struct("kf_host_v1", name=b"kfasync", struct_size=size)
        result = subject.enter(ABI, host, ffi.new("const kf_provider_v1 **"))
        require_result(result, Result.STRUCT, f"kf_provider_entry with a host of {size} bytes")
    session = subject.open(trial.config)
    unit = unit_struct(trial.unit())
    unit.struct_size -= 4
    require_result(session.call_lease(unit, Form()), Result.STRUCT, "a short kf_unit_v1")
    for size in (8, ffi.sizeof("kf_lease_v1") - 4):
        form = Form()
        form.struct.struct_size = size
        _require_untouched(session, trial, form)
    end = struct("kf_end_v1", outcome=PASS)
    end.struct_size -= 4
    lease = session.lease(trial.unit())
    text = ffi.new("char[]", lease.lease_id)
    for call in (session.table.commit, session.table.abort):
        result = call(session.handle, text, end, PATIENCE_MS)
        require_result(result, Result.STRUCT, "a short kf_end_v1")
    session.abort(lease.lease_id, NONE)
    session.close()


def _require_untouched(session: Session, trial: Trial, form: Form) -> None:
    before = bytes(ffi.buffer(form.struct))
    result = session.call_lease(unit_struct(trial.unit()), form)
    require_result(result, Result.STRUCT, "a short kf_lease_v1")
    require(bytes(ffi.buffer(form.struct)) == before, "a short kf_lease_v1 is written to")


def longer_struct_size(trial: Trial) -> None:
    """A structure of a later version is taken, and what is new in it is left alone."""
    subject = trial.load()
    provider = ffi.new("const kf_provider_v1 **")
    host, _ = _longer("kf_host_v1", struct("kf_host_v1", name=b"kfasync"))
    require_result(subject.enter(ABI, host, provider), Result.OK, "a longer kf_host_v1")
    session = subject.open(trial.config)
    unit, _ = _longer("kf_unit_v1", unit_struct(trial.unit()))
    form = Form()
    lease, tail = _longer("kf_lease_v1", form.struct)
    session.require_ok(session.call_lease(unit, lease), "lease with longer structures")
    require(set(tail()) == {CANARY}, "lease writes beyond kf_lease_v1 as version 1 has it")
    require(lease.struct_size == ffi.sizeof("kf_lease_v1") + _TAIL, "lease changes struct_size")
    end, _ = _longer("kf_end_v1", struct("kf_end_v1", outcome=PASS))
    result = session.table.commit(session.handle, lease.lease_id, end, PATIENCE_MS)
    session.require_ok(result, "commit with a longer kf_end_v1")
    session.close()


def _longer(kind: str, short: Any) -> tuple[Any, Any]:
    """A copy with room behind it, and a function that shows what stands there."""
    size = ffi.sizeof(kind)
    room = ffi.new("uint8_t[]", bytes([CANARY]) * (size + _TAIL))
    _KEPT.append(room)
    ffi.memmove(room, short, size)
    longer = ffi.cast(f"{kind} *", room)
    longer.struct_size = size + _TAIL
    return longer, lambda: bytes(ffi.buffer(room))[size : size + _TAIL]


_KEPT: list[Any] = []  # a cast does not keep alive what it points to


def config_has_no_nul(trial: Trial) -> None:
    """The configuration is as long as config_size says: a page that cannot be read follows it."""
    table = trial.load().table()
    walled = Walled(len(trial.config))
    walled.bytes[:] = trial.config
    made = ffi.new("kf_provider_ctx **")
    text = ffi.cast("const char *", walled.address)
    result = table.open(text, len(trial.config), PATIENCE_MS, made)
    Session(table, ffi.NULL).require_ok(result, "open with a configuration without a NUL")
    table.close(made[0])


def bad_config_refused_by_name(trial: Trial) -> None:
    """A mistake in the configuration is found when it is made, with the key's name."""
    unknown = msgspec.json.encode({**trial.job.config, UNKNOWN_KEY: "x"})
    table = trial.load().table()
    for config, named in ((b"", ""), (b"{", ""), (b"[]", ""), (unknown, UNKNOWN_KEY)):
        made = ffi.new("kf_provider_ctx **")
        # A copy that is ended by NUL, for nothing but config_has_no_nul looks for readers of it.
        result = table.open(ffi.new("char[]", config), len(config), PATIENCE_MS, made)
        what = f"a key {named}" if named else f"{config.decode()!r} for a configuration"
        require_result(result, Result.CONFIG, f"open with {what}")
        require(made[0] == ffi.NULL, f"open with {what} gives a context")
        said = Session(table, ffi.NULL).last_error()
        require(named in said, f"last_error does not name the key {named}, which is unknown")


def wrong_arguments_refused(trial: Trial) -> None:
    """A value that the interface does not have is refused, and never taken for another."""
    session = trial.open()
    lease = session.lease(trial.unit())
    for size in (0, 5, 11, 17, 0xFFFFFFFF):
        unit = unit_struct(trial.unit())
        unit.uid_size = size
        result = session.call_lease(unit, Form())
        require_result(result, Result.ARGUMENT, f"lease with uid_size {size}")
    for outcome in (0, 3, 0xFFFFFFFF):
        result = session.call_commit(lease.lease_id, outcome)
        require_result(result, Result.ARGUMENT, f"commit with outcome {outcome}")
    result = session.call_abort(lease.lease_id, 3)
    require_result(result, Result.ARGUMENT, "abort with touched 3")
    for what, result in (
        ("lease without a unit", session.call_lease(ffi.NULL, Form())),
        ("lease without a lease", session.call_lease(unit_struct(trial.unit()), ffi.NULL)),
        ("commit without an end", _end_of_nothing(session, session.table.commit)),
        ("abort without an end", _end_of_nothing(session, session.table.abort)),
    ):
        require_result(result, Result.ARGUMENT, what)
    session.abort(lease.lease_id, NONE)
    session.close()


def _end_of_nothing(session: Session, call: Any) -> int:
    result: int = call(session.handle, ffi.NULL, ffi.NULL, PATIENCE_MS)
    return result


CHECKS = (
    check("loads-silently", "what it prints lands in the station's own output", loads_silently),
    check("entry-is-fast", "a library is also loaded to look at its name", entry_is_fast),
    check(
        "unknown-abi-refused", "a guess about the interface is a crash later", unknown_abi_refused
    ),
    check("table-is-complete", "name and version stand in every record", table_is_complete),
    check(
        "unknown-interface-is-null",
        "another ability is called with other arguments",
        unknown_interface_is_null,
    ),
    check(
        "short-struct-size",
        "a field that is not there is another's memory",
        short_struct_size,
        contents=2,
    ),
    check(
        "longer-struct-size",
        "a station that is newer has to work with it",
        longer_struct_size,
        contents=1,
    ),
    check("config-has-no-nul", "the configuration is not a C string", config_has_no_nul),
    check(
        "bad-config-refused-by-name",
        "a mistyped key is found at the start or never",
        bad_config_refused_by_name,
    ),
    check(
        "wrong-arguments-refused",
        "an unknown outcome must not count as a pass",
        wrong_arguments_refused,
        contents=1,
    ),
)

"""The table of troubles with a key server: what is said, and what is left of it afterwards.

In each of them nothing from EXTERNAL AUTHENTICATE on reaches the fob, the ledger holds no content,
and the server's pool is as it was before, as soon as the server can be told.
"""

import base64
import json
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kfasync.contracts.klms import canonical, info
from kfasync.errors import KfError, TrustError
from kfasync.klms.kdf3 import Kdf3, UidPadding
from kfasync.klms.pki import Authority, Purpose, write_pair
from kfasync.klms.seal import key_block, recipient_key, seal
from kfasync.model import ContentState
from kfasync.sim.fob import SimulatedFob
from kfasync.sim.reader import SimulatedReaders
from kfasync.station.assembly import open_station
from kfasync.station.attempt import Conclusion
from kfasync.station.config import load
from kfasync.station.states import LaneState
from kfasync.station.station import Station
from tests.klms.test_tls import authority_of, replace
from tests.klms.world import MASTER, ServerProcess, make_pieces
from tests.sources.klms.world import Hostile
from tests.station.desks import PATIENCE_S, floor, sql, uid
from tests.station.keyserver import books, keys_of_fob, make_klms, pool, station_of

pytestmark = pytest.mark.anyio

EXTERNAL_AUTHENTICATE = 0x82
CONTENTS = 4


@pytest.fixture(scope="module")
def klms(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_klms(tmp_path_factory.mktemp("klms") / "dev", CONTENTS)


@pytest.fixture(scope="module")
def server(klms: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """One that nothing is ever leased from for long; the directory it came from is not its own."""
    copy = shutil.copytree(klms, tmp_path_factory.mktemp("served") / "dev")
    with ServerProcess(Path(copy)) as running:
        yield running


class Line:
    """A station beside a server, with a fob on its one reader."""

    def __init__(self, klms: Path, directory: Path, url: str, edits: dict[str, str]) -> None:
        shutil.copytree(klms / "pki", directory / "pki")
        text = (klms / "station.toml").read_text("utf-8")
        for old, new in {"https://localhost:0": url, **edits}.items():
            assert text.count(old) == 1, old
            text = text.replace(old, new)
        self.directory = directory
        self.loaded = load(_written(directory / "station.toml", text))
        self.fob = SimulatedFob(uid=uid(1), keys=keys_of_fob(klms, uid(1)))
        self.readers = SimulatedReaders(["A"])
        self.readers.place("A", self.fob)

    @asynccontextmanager
    async def station(self) -> AsyncIterator[Station]:
        async with open_station(self.loaded, self.readers, lambda event: None) as station:
            yield station

    def untouched(self) -> None:
        """What holds after every trouble."""
        sent = [header[1] for header, _ in self.fob.log]
        assert all(ins < EXTERNAL_AUTHENTICATE or ins in (0xCA, 0xA4) for ins in sent), sent
        states = dict(sql(self.directory / "var", "SELECT state, count(*) FROM content GROUP BY 1"))
        assert set(states) <= {ContentState.FREE.value}


def _written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


async def outcome(line: Line) -> tuple[int, str, str]:
    """Exit code, cause and sentence of one `provision`."""
    try:
        async with line.station() as station:
            result = await station.provision("A", PATIENCE_S)
    except KfError as error:
        return error.exit_code, type(error).__name__, str(error)
    assert isinstance(result, Conclusion)
    return result.verdict.exit_code, result.verdict.cause, result.record.message


def url_of(server: ServerProcess) -> str:
    return server.url.replace("127.0.0.1", "localhost")


# ------------------------------------------------------------------------------ trouble of TLS

QUICK = {"[source]": "[source]\ndeadline_s = 0.6"}


def pair(name: str) -> dict[str, str]:
    return {"pki/EOL-01.pem": f"pki/{name}.pem", "pki/EOL-01.key": f"pki/{name}.key"}


def wrong_ca(line: Line) -> None:
    for suffix in ("pem", "key"):
        (line.directory / f"pki/EOL-01.{suffix}").unlink()
    write_pair(line.directory / "pki", "EOL-01", Authority.make("another").station("EOL-01"))


def other_key(line: Line) -> None:
    replace(line.directory / "pki/EOL-01.key", (line.directory / "pki/EOL-02.key").read_bytes())


def no_certificate(line: Line) -> None:
    (line.directory / "pki/EOL-01.pem").unlink()


def nothing(line: Line) -> None: ...


OURS: dict[str, tuple[dict[str, str], Callable[[Line], None], str]] = {
    "no client certificate": ({}, no_certificate, "EOL-01.pem cannot be read (No such file"),
    "expired": (pair("expired"), nothing, "expired.pem has expired; renew it"),
    "wrong CA": ({}, wrong_ca, "does not know the CA of this station's certificate "),
    "revoked": (pair("revoked"), nothing, "revoked.pem is revoked; have a new one issued"),
    "key not matching": ({}, other_key, "EOL-01.key is not the key of this station's certificate"),
    "another station's": (pair("EOL-02"), nothing, "is for EOL-02, and station.id is EOL-01"),
}


@pytest.mark.parametrize("case", OURS)
async def test_a_certificate_of_ours(
    klms: Path, server: ServerProcess, tmp_path: Path, case: str
) -> None:
    edits, change, sentence = OURS[case]
    line, before = Line(klms, tmp_path, url_of(server), edits), pool(server)
    change(line)
    code, cause, message = await outcome(line)
    assert (code, cause) == (3, "TrustError")
    assert sentence in message
    line.untouched()
    assert pool(server) == before


THEIRS = {
    "server expired": "has expired; have the server's certificate renewed",
    "wrong name": "is for another name; correct source.url",
    "another CA": "is not from the CA in ",
    "TLS 1.2 only": "does not speak TLS 1.3, which is the least that this station accepts",
}


@pytest.mark.parametrize("case", THEIRS)
async def test_a_certificate_of_the_server_s(klms: Path, tmp_path: Path, case: str) -> None:
    authority, _ = authority_of(klms / "pki", "EOL-01")
    signer = Authority.make("another") if case == "another CA" else authority
    name = "elsewhere" if case == "wrong name" else "localhost"
    ends = authority.expired("x").certificate.not_valid_after_utc
    begins = authority.expired("x").certificate.not_valid_before_utc
    window = (begins, ends) if case == "server expired" else (None, None)
    made = signer.issue(
        name, Purpose.SERVER, names=[name], not_before=window[0], not_after=window[1]
    )
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    write_pair(theirs, "server", made)
    shutil.copy(klms / "pki/ca.pem", theirs)
    with Hostile(theirs, lambda path, body: (200, {}, b"{}")) as hostile:
        if case == "TLS 1.2 only":
            hostile.context.minimum_version = ssl.TLSVersion.TLSv1_2
            hostile.context.maximum_version = ssl.TLSVersion.TLSv1_2
        line = Line(klms, tmp_path / "line", hostile.url, {})
        code, cause, message = await outcome(line)
        assert not hostile.requests
    assert (code, cause) == (3, "TrustError")
    assert THEIRS[case] in message
    line.untouched()


@pytest.mark.parametrize("case", ["refused", "timed out"])
async def test_a_server_that_is_away(klms: Path, tmp_path: Path, case: str) -> None:
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = listener.getsockname()[1]
        if case == "refused":
            listener.close()
        line = Line(klms, tmp_path, f"https://localhost:{port}", QUICK)
        code, cause, message = await outcome(line)
    assert (code, cause) == (3, "SourceUnavailableError")
    assert f"key server https://localhost:{port} does not answer (" in message
    line.untouched()


async def test_a_certificate_swapped_while_the_station_runs(
    klms: Path, server: ServerProcess, tmp_path: Path
) -> None:
    line, before = Line(klms, tmp_path, url_of(server), {}), pool(server)
    pki = tmp_path / "pki"
    good = {suffix: (pki / f"EOL-01.{suffix}").read_bytes() for suffix in ("pem", "key")}
    async with line.station() as station:
        for suffix in good:
            replace(pki / f"EOL-01.{suffix}", (pki / f"revoked.{suffix}").read_bytes())
        result = await station.provision("A", PATIENCE_S)
        assert isinstance(result, Conclusion)
        assert (result.verdict.cause, result.verdict.exit_code) == ("TrustError", 3)
        assert "is revoked; have a new one issued" in result.record.message
        line.untouched()
        assert pool(server) == before
        # And the right one again: the same station goes on.
        for suffix, content in good.items():
            replace(pki / f"EOL-01.{suffix}", content)
        line.readers.remove("A")
        line.readers.place("A", SimulatedFob(uid=uid(9), keys=keys_of_fob(klms, uid(9))))
        again = await station.provision("A", PATIENCE_S)
        assert isinstance(again, Conclusion)
        # Which fob that was is the loop's affair: a new one, or one that has passed.
        assert again.record.disposition in ("pass", "already-provisioned")


# -------------------------------------------------------------------------- trouble of content

FAULTS = {
    "wrong-uid": ("lease-for-another-unit", "the answer is for another unit"),
    "wrong-suite": ("seal-broken", "the suite is another one than was asked for"),
    "truncated": ("seal-broken", "the key block was not sealed for this request"),
    "bit-flip": ("seal-broken", "the key block was not sealed for this request"),
    "expired": ("LeaseExpiredError", "leases in a row had less than 2.0 s left when they arrived"),
    "huge": ("answer-malformed", "it is longer than 65536 bytes"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_answer_that_went_wrong_on_its_way(klms: Path, tmp_path: Path, fault: str) -> None:
    copy = Path(shutil.copytree(klms, tmp_path / "dev"))
    with ServerProcess(copy, "--fault", fault) as server:
        line = Line(copy, tmp_path / "line", url_of(server), {})
        before = pool(server)
        code, cause, message = await outcome(line)
        assert (code, cause) == (3, FAULTS[fault][0])
        assert FAULTS[fault][1] in message
        line.untouched()
        if fault != "huge":  # an answer that could not be read names no lease yet
            assert pool(server) == before
    with ServerProcess(copy) as server:
        line.loaded = load(
            _written(tmp_path / "line" / "station.toml", _moved(line, url_of(server)))
        )
        async with line.station():
            assert pool(server) == before
    assert books(copy, "SELECT count(*) FROM lease WHERE ended IS NULL") == [(0,)]


def _moved(line: Line, url: str) -> str:
    text = (line.directory / "station.toml").read_text("utf-8")
    begin = text.index("https://localhost:")
    return text[:begin] + url + text[text.index('"', begin) :]


PIECE, OTHER = make_pieces(2)


def forged(change: Callable[[dict[str, Any]], None], *, scalar_of: Any = PIECE) -> Any:
    """A server that seals as it should, and says what is wrong."""

    def answer(path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        asked = json.loads(body)
        if path.endswith("/outcomes"):
            (end,) = asked["ends"]
            ends = [{"lease_id": end["lease_id"], "content": "free"}]
            return 200, {}, json.dumps({"ends": ends}).encode()
        unit = bytes.fromhex(asked["unit"]["uid"])
        keys = Kdf3(MASTER, kvn=255, padding=UidPadding.RAW, length_field=True).derive(unit)
        kcv = msgspec.structs.asdict(keys.kcv)
        items = [
            {"dgi": dgi, "data": base64.b64encode(data).decode()}
            for dgi, data in (
                ("A001", PIECE.spid.encode()),
                ("A002", PIECE.device_certificate),
                ("A004", b"ica"),
                ("A005", b"root"),
            )
        ]
        table: dict[str, Any] = {
            "lease_id": "l-1",
            "uid": asked["unit"]["uid"],
            "ttl_s": 5,
            "server_time": "2026-03-02T08:15:30Z",
            "keyset": {"kvn": 255, "kcv": {name: kcv[name].hex().upper() for name in kcv}},
            "container": {"fesn": PIECE.fesn, "spid": PIECE.spid, "items": items},
        }
        change(table)
        point = base64.b64decode(asked["recipient"]["public_key"])
        bound = info("l-1", unit, asked["station"], canonical(table))
        sealed = seal(key_block(keys, scalar_of.scalar, PIECE.irk), recipient_key(point), bound)
        return 201, {}, msgspec.json.encode(table | {"sealed": sealed})

    return answer


def as_it_is(table: dict[str, Any]) -> None: ...


def no_device_certificate(table: dict[str, Any]) -> None:
    del table["container"]["items"][1]


def wrong_kcv(table: dict[str, Any]) -> None:
    table["keyset"]["kcv"]["dek"] = "000000"


WRONG: dict[str, tuple[Any, str, str]] = {
    "missing items": (forged(no_device_certificate), "key-block-malformed", "no DGI A002"),
    "wrong KCV": (forged(wrong_kcv), "key-block-malformed", "static key DEK of key version 255"),
    "another scalar": (
        forged(as_it_is, scalar_of=OTHER),
        "key-block-malformed",
        "a device certificate of another key than the scalar beside it",
    ),
    "lists": (lambda path, body: (201, {}, b"[" * 60_000), "answer-malformed", "follow the API"),
    "objects": (
        lambda path, body: (201, {}, b'{"a":' * 10_000),
        "answer-malformed",
        "does not follow the API",
    ),
    "redirect": (
        lambda path, body: (302, {"location": "https://localhost:1/"}, b""),
        "answer-malformed",
        "it is a redirect (302), and those are not followed",
    ),
}


@pytest.mark.parametrize("case", WRONG)
async def test_an_answer_that_is_wrong(klms: Path, tmp_path: Path, case: str) -> None:
    answer, cause, sentence = WRONG[case]
    with Hostile(klms / "pki", answer) as hostile:
        line = Line(klms, tmp_path, hostile.url, {})
        code, found, message = await outcome(line)
    assert (code, found) == (3, cause)
    assert sentence in message
    line.untouched()
    ends = [json.loads(body)["ends"] for path, _, body in hostile.requests if "outcomes" in path]
    told = {"lease_id": "l-1", "end": "abort", "outcome": "error", "touched": "none"}
    assert ends == ([[told]] if cause == "key-block-malformed" else [])


# ------------------------------------------------------------------------------ what a lane does


@pytest.mark.parametrize("case", ["trust", "content"])
async def test_two_in_a_row_with_one_cause_stop_the_lane(
    klms: Path, tmp_path: Path, case: str
) -> None:
    copy = Path(shutil.copytree(klms, tmp_path / "dev"))
    with ServerProcess(copy, *(["--fault", "bit-flip"] if case == "content" else [])) as server:
        edits = pair("revoked") if case == "trust" else {}
        loaded = load(station_of(server, copy, edits))
        before = pool(server)
        async with floor(loaded) as place:
            for number in (1, 2):
                fob = SimulatedFob(uid=uid(number), keys=keys_of_fob(copy, uid(number)))
                record = await place.serve("A", fob)
                assert record.outcome == "error"
            stopped = await place.until("A", LaneState.STOPPED)
        assert stopped.message == record.message
        assert pool(server) == before


def test_trouble_of_trust_is_no_trouble_that_waits() -> None:
    assert not TrustError.retryable

"""Day: a planned day, carried out on a station and a key server that are processes of their own."""

import re
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from kfasync.audit.log import FILE_NAME as AUDIT_LOG
from kfasync.klms.config import load as load_klms
from kfasync.klms.depot import open_kdf3
from kfasync.klms.pki import Purpose
from kfasync.ledger.ledger import FILE_NAME as LEDGER
from kfasync.model import KeySet
from kfasync.secret import Secret
from kfasync.sim.faults import Fault, FaultKind
from kfasync.sim.fob import SimulatedFob
from tests.klms.test_tls import authority_of, replace
from tests.klms.world import ServerProcess
from tests.native_build import library
from tests.soak import evidence
from tests.soak.auditor import Books
from tests.soak.desk import Desk
from tests.soak.line import Line, LinedFob
from tests.soak.operator import RESTARTED, Operator, Shown
from tests.soak.plan import Fate, Incident, Plan, PlannedFob, PlannedIncident
from tests.soak.process import Entry, Size, StationProcess
from tests.soak.tray import Tray
from tests.station.desks import sql
from tests.station.keyserver import make_klms, station_of

PATIENCE_S = 60.0
CARD_TIMEOUT_S = 2.0  # of a hung fob; all others answer within milliseconds
LOOK_S = 0.25
UNPLUGGED_S = 1.0
MEMORY_FAILURE = 0x6581


def make_fobs(plan: Plan, klms: Path) -> dict[int, LinedFob]:
    """The fobs of a day, with the keys that the key server derives for each."""
    with open_kdf3(load_klms(klms / "klms.toml")) as kdf3:
        keys = {one.uid: kdf3.derive(bytes.fromhex(one.uid)) for one in plan.fobs}
    return {one.number: LinedFob(_made(one, keys[one.uid])) for one in plan.fobs}


def _made(one: PlannedFob, keys: KeySet) -> SimulatedFob:
    faults: list[Fault] = []
    cplc = None
    match one.fate:
        case Fate.TORN | Fate.TORN_BACK:
            kind = FaultKind.TORN_AFTER if one.answered else FaultKind.TORN_BEFORE
            faults = [Fault(kind, one.at)]
        case Fate.HUNG:
            faults = [Fault(FaultKind.HUNG, one.at)]
        case Fate.DEFECTIVE:
            faults = [Fault(FaultKind.STATUS_WORD, one.at, sw=MEMORY_FAILURE)]
        case Fate.WRONG_KEYS:
            enc, mac, dek = (Secret(bytes(16)) for _ in range(3))
            keys = KeySet(keys.kvn, enc, mac, dek, keys.kcv)
        case Fate.TWIN:
            cplc = bytes(range(42))  # another chip
    return SimulatedFob(uid=bytes.fromhex(one.uid), keys=keys, faults=faults, cplc=cplc)


class Day:
    """One day.

    Args:
        directory: of everything; short, for there are sockets in it.
        faults: of the key server, as its command line takes them.
        down_s: how long the key server is away when it is.
        kind: the readers are in memory, or PC/SC's.

    Attributes:
        injected: what went wrong, by kind.
        printed: by the stations, beside their logs.
        seconds: how long the line worked.
    """

    def __init__(
        self,
        plan: Plan,
        directory: Path,
        loop: str,
        faults: tuple[str, ...] = (),
        down_s: float = 2.0,
        kind: type[Line | Desk] = Line,
    ) -> None:
        self.plan = plan
        self.directory = directory
        self.injected: Counter[str] = Counter()
        self.printed = directory / "printed"
        self.seconds = 0.0
        self.loop = loop
        self._faults, self._down_s = faults, down_s
        self._klms = make_klms(directory / "klms", int(len(plan.fobs) * 1.02) + 5)
        self.fobs = make_fobs(plan, self._klms)
        self.shown = {one.number: Shown() for one in plan.fobs}
        self.results: list[Entry] = []
        self.sizes: list[Size] = []
        self.exit_codes: list[int] = []
        self._tray = Tray(plan.fobs, plan.lanes)
        self._operators: list[Operator] = []
        self._full_disk = library(
            Path(__file__).with_name("full_disk.c"), flags=("-fvisibility=default",)
        )
        self._full = directory / "full"
        self._lane_stopped = threading.Event()
        self._lanes_there = threading.Event()
        self._runs = 0
        self._results_of_run = 0
        self._config: Path
        self._kind = kind
        self._line: Line | Desk
        self._station: StationProcess
        self._server: ServerProcess

    @property
    def data(self) -> Path:
        """The station's data directory."""
        return self._klms / "var"

    @property
    def pool(self) -> Path:
        """The key server's file."""
        return self._klms / "pool.sqlite"

    @property
    def evidence(self) -> Path:
        """What the auditor is told beside the books."""
        return self.directory / "evidence.json"

    def books(self) -> Books:
        """What the auditor reads."""
        return Books(self.evidence, self.pool, self.data / LEDGER, self.data / AUDIT_LOG)

    def run(self) -> None:
        """From the first fob to the last, and the start of the next day."""
        with ExitStack() as closing:
            self._start_server()
            closing.callback(lambda: self._server.kill())
            self._line = self._kind(self.directory, self.plan.lanes, self.fobs)
            closing.enter_context(self._line)
            self._config = self._write_config()
            self._start()
            closing.callback(lambda: self._station.end())
            began = time.monotonic()
            self._work()
            self.seconds = time.monotonic() - began
            self._stop()
            # What a killed or full station has left behind is ended by the next one.
            self._start()
            # One that is stopped before it has worked completes its audit log at the next start.
            assert self._lanes_there.wait(PATIENCE_S)
            self._until_outbox_is_empty()
            self._stop()
            self._server.stop()
        evidence.write(self.evidence, self.plan, self.fobs, self.shown, self.results, self.sizes)

    def story(self) -> str:
        """What went wrong, by kind, and how long it took."""
        fates = Counter(one.fate.value for one in self.plan.fobs if one.fate is not Fate.GOOD)
        said = self._server.log.read_text("utf-8")
        faults = Counter(
            f"key server: {fault}" for fault in re.findall(r" fault (\S+)$", said, re.M)
        )
        requests = Counter({"key server: requests": len(re.findall(r" '/v1/\S+ \d{3} ", said))})
        what = {**fates, **self.injected, **faults, **requests}
        lines = [f"{name:<34} {count:>8,}" for name, count in sorted(what.items())]
        return "\n".join([*lines, f"{'seconds':<34} {self.seconds:>8.1f}"])

    def _work(self) -> None:
        self._operators = [
            Operator(lane, reader, self._line, self._tray, self.shown, self.data, self._has_failed)
            for lane, reader in enumerate(self._line.readers)
        ]
        for operator in self._operators:
            operator.start()
        for incident in self.plan.incidents:
            self._until_results(incident.after)
            self._let_happen(incident)
        self._until_results(1 << 30)
        for operator in self._operators:
            operator.join(PATIENCE_S)
        self._require_no_failure()

    def _until_results(self, count: int) -> None:
        while not self._tray.until(count, LOOK_S):
            self._measure()
            self._require_no_failure()

    def _measure(self) -> None:
        size = self._station.size(self._runs, self._results_of_run)
        if size is not None:
            self.sizes.append(size)

    def _has_failed(self) -> bool:
        return any(operator.error is not None for operator in self._operators)

    def _require_no_failure(self) -> None:
        for operator in self._operators:
            if operator.error is not None:
                raise operator.error

    # ------------------------------------------------------------------ station and key server

    def _start(self) -> None:
        self._runs += 1
        self._results_of_run = 0
        self._lanes_there.clear()
        self._station = StationProcess(
            self._config,
            self._line.arguments(),
            self.loop,
            self._hear,
            self.printed,
            {"LD_PRELOAD": str(self._full_disk), "KF_FULL": str(self._full)}
            | self._line.environment,
        )
        self._station.started()

    def _restart(self) -> None:
        self._start()
        for operator in self._operators:
            operator.heard.put(RESTARTED)

    def _stop(self) -> None:
        code = self._station.stop()
        assert code == 0, self.printed.read_text("utf-8")

    def _hear(self, entry: Entry) -> None:
        if "disposition" in entry:
            self.results.append(entry)
            self._results_of_run += 1
        if entry["event"] == "stopped":
            self._lane_stopped.set()
        if "lane" in entry:
            self._lanes_there.set()
        if "lane" in entry and self._operators:
            self._operators[entry["lane"] - 1].heard.put(entry)

    def _start_server(self) -> None:
        seed = ("--seed", str(self.plan.seed))
        faults = [word for fault in self._faults for word in ("--fault", fault)]
        self._server = ServerProcess(self._klms, *seed, *faults)
        # The next one is where this was.
        path, port = self._klms / "klms.toml", self._server.url.rpartition(":")[2]
        text = re.sub(r"(?m)^port = 0 ", f"port = {port} ", path.read_text("utf-8"))
        path.write_text(text, "utf-8")

    def _write_config(self) -> Path:
        lanes = "".join(f'\n[[lane]]\nreader = "{name}"\n' for name in self._line.readers)
        edits = {
            'data_dir = "var"\n': f'data_dir = "var"\ncard_timeout_s = {CARD_TIMEOUT_S}\n\n'
            f'[card]\nsequence_counter = "initialize-update"\n{lanes}'
        }
        return station_of(self._server, self._klms, edits)

    def _until_outbox_is_empty(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while sql(self.data, "SELECT count(*) FROM outbox") != [(0,)]:
            assert time.monotonic() < until, sql(self.data, "SELECT * FROM outbox")
            self._tray.until(0, LOOK_S)

    # ------------------------------------------------------------------ what happens to the line

    def _let_happen(self, incident: PlannedIncident) -> None:
        self.injected[incident.what.value] += 1
        match incident.what:
            case Incident.SIGKILL:
                self._station.kill()
                self._restart()
            case Incident.SIGTERM:
                self._stop()
                self._restart()
            case Incident.KLMS_DOWN:
                self._server.kill()
                self._pass(self._down_s)
                self._start_server()
            case Incident.KLMS_CERTIFICATE:
                pki = self._klms / "pki"
                authority, _ = authority_of(pki, "EOL-01")
                fresh = authority.issue(
                    "localhost", Purpose.SERVER, names=("localhost", "127.0.0.1")
                )
                replace(pki / "server.key", fresh.key_pem())
                replace(pki / "server.pem", fresh.certificate_pem())
            case Incident.DISK_FULL:
                self._lane_stopped.clear()
                self._full.touch()
                self._until_a_lane_stops()
                self._full.unlink()
            case Incident.UNPLUGGED:
                assert isinstance(self._line, Line)
                reader = self._line.readers[incident.lane]
                self._line.unplug(reader)
                # The other lanes are quick, and something is to be left of the day.
                self._tray.until(self._tray.results + self.plan.lanes // 2, UNPLUGGED_S)
                self._line.plug(reader)
            case Incident.PCSCD_RESTART:
                assert isinstance(self._line, Desk)
                self._line.restart()

    def _until_a_lane_stops(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while not self._lane_stopped.wait(LOOK_S):
            if self._tray.until(1 << 30, 0):
                self.injected[Incident.DISK_FULL.value] -= 1  # there is no fob left to notice
                return
            self._require_no_failure()
            assert time.monotonic() < until, "a full disk has stopped no lane"

    def _pass(self, seconds: float) -> None:
        """Let the line work on for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if self._tray.until(1 << 30, min(LOOK_S, seconds)):
                return
            self._measure()
            self._require_no_failure()

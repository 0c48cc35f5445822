"""What a lease costs the reference key server, and how many stations it carries.

    python -m benchmarks.klms [--leases 1000] [--rounds 3] [--json]

A server process over mutual TLS, asked by one station and by 16, each on a connection of its own,
with a fresh recipient key for each lease and the ends in batches of 50. CPU is that of the server
process, from /proc. The stations are threads of this process and share the machine with the
server: the rate by the clock is what this machine did, the rate by arithmetic what a core could.
Master key in memory and in a SoftHSM token take turns, because the machine is not ours alone.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

import msgspec

from kfasync.klms import softhsm
from kfasync.klms.depot import open_depot
from kfasync.klms.development import Plan, make
from tests.klms.world import (
    AUTHORITIES,
    PROFILE,
    Recipient,
    ServerProcess,
    end,
    fresh_key,
    make_pieces,
)

STATIONS = (1, 16)
BATCH = 50
WARM = 20  # leases of each station before the clock starts
# A fob is on a lane for at least the card's own time (578 ms, docs/performance.md).
LANES, CARD_S = 16, 0.578
TIMEOUT_S = 600


class Figures(msgspec.Struct):
    """Of one run."""

    cpu_ms: float  # of the server, for one lease and its end
    rate: float  # leases a second by the clock
    latencies_ms: list[float]


def cpu_s(pid: int) -> float:
    """User and system time of a process so far (proc(5), stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Run:
    """Some stations, each in a thread."""

    def __init__(self, server: ServerProcess, stations: int, leases: int, series: int) -> None:
        self.server = server
        self.stations = stations
        self.each = leases // stations
        self.series = series  # tells the UIDs of one run from those of another
        self.latencies_ms: list[float] = []
        self.ready = threading.Barrier(stations + 1)

    def measure(self) -> Figures:
        """Figures of all of them together."""
        threads = [threading.Thread(target=self._station, args=(n,)) for n in range(self.stations)]
        for thread in threads:
            thread.start()
        self.ready.wait(TIMEOUT_S)
        began, cpu = time.perf_counter(), cpu_s(self.server.pid)
        for thread in threads:
            thread.join(TIMEOUT_S)
        taken = time.perf_counter() - began
        count = self.each * self.stations
        if len(self.latencies_ms) != count:
            raise SystemExit(f"{len(self.latencies_ms)} of {count} leases were answered")
        return Figures(
            (cpu_s(self.server.pid) - cpu) * 1000 / count, count / taken, self.latencies_ms
        )

    def _station(self, number: int) -> None:
        with self.server.client() as client:
            open_: list[dict[str, str]] = []
            for n in range(-WARM, self.each):
                if n == 0:
                    self.ready.wait(TIMEOUT_S)
                uid = f"04{self.series:02X}{number:02X}{n & 0xFFFFFFFF:08X}"
                body, key = Recipient().request(uid), fresh_key()
                began = time.perf_counter()
                answer = client.post("/v1/leases", json=body, headers=key)
                if n >= 0:
                    self.latencies_ms.append((time.perf_counter() - began) * 1000)
                open_.append(end(answer.raise_for_status().json()["lease_id"]))
                if len(open_) == BATCH or n == self.each - 1:
                    client.post("/v1/outcomes", json={"ends": open_}).raise_for_status()
                    open_.clear()


def measure(leases: int, rounds: int) -> dict[tuple[str, int], list[Figures]]:
    """Figures by key store and number of stations."""
    found: dict[tuple[str, int], list[Figures]] = {}
    contents = make_pieces(rounds * sum(leases + WARM * stations for stations in STATIONS))
    with tempfile.TemporaryDirectory() as directory:
        stores = {"memory": None, "token": softhsm.find()}
        servers = {}
        for name, module in stores.items():
            path = Path(directory) / name
            with open_depot(make(path, Plan(port=0, module=module))) as depot:
                depot.stock.add(PROFILE, AUTHORITIES, contents)
            servers[name] = ServerProcess(path, "--quiet")
        series = 0
        for _ in range(rounds):
            for name, server in servers.items():
                for stations in STATIONS:
                    series += 1
                    run = Run(server, stations, leases, series)
                    found.setdefault((name, stations), []).append(run.measure())
        for server in servers.values():
            server.stop()
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, add_help=True)
    parser.add_argument("--leases", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    report = []
    for (store, stations), runs in measure(options.leases, options.rounds).items():
        latencies = sorted(one for run in runs for one in run.latencies_ms)
        cpu_ms = min(run.cpu_ms for run in runs)
        by_core = 1000 / cpu_ms
        report.append(
            {
                "master_key": store,
                "stations": stations,
                "cpu_ms_per_lease": round(cpu_ms, 2),
                "cpu_ms_per_lease_median": round(statistics.median(r.cpu_ms for r in runs), 2),
                "leases_a_second": round(max(run.rate for run in runs)),
                "latency_ms_p50": round(statistics.median(latencies), 1),
                "latency_ms_p99": round(latencies[int(len(latencies) * 0.99)], 1),
                "leases_a_second_of_one_core": round(by_core),
                "stations_of_16_lanes": int(by_core / (LANES / CARD_S)),
            }
        )
    if options.json:
        print(json.dumps(report, indent=2))
        return
    for row in report:
        print(
            "master key in {master_key}, stations {stations}: {cpu_ms_per_lease} ms of CPU a lease "
            "(median {cpu_ms_per_lease_median}), {leases_a_second} leases a second, "
            "p50 {latency_ms_p50} ms, p99 {latency_ms_p99} ms; "
            "one core: {leases_a_second_of_one_core} a second, "
            "{stations_of_16_lanes} stations of 16 lanes".format(**row)
        )


if __name__ == "__main__":
    main()

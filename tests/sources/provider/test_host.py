"""A host, in both of its ways: one hostile call is one failed lease, and nothing is left."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kfasync.errors import ProviderError, SourceUnavailableError
from kfasync.model import Outcome, Touched
from kfasync.sources.provider.context import PoolCounts
from kfasync.sources.provider.host import CONFIG_MAX, ProviderHost
from kfasync.sources.provider.library import digest
from tests.native_build import ROOT, reference_provider, stock
from tests.sources.provider.hosts import (
    GUILTY,
    children,
    descriptors,
    hostile_host,
    lease,
    opening,
    require_right,
)

PATIENCE_S = 30.0
each_way = pytest.mark.parametrize("in_process", [False, True], ids=["worker", "in process"])

# A station that opens a host, says which processes it has started, and waits to be killed.
STATION = """
import sys, time
from pathlib import Path
from tests.sources.provider.hosts import children, hostile_host, lease
with hostile_host() as host:
    lease(host, 1)
    while len(children()) < 2:
        pass
    print(*children(), flush=True)
    sys.stdin.read()
"""

FATAL = ["segfault", "abort", "exit", "_exit", "overflow-items", "overflow-secrets", "print"]
LIES = [
    "lie-items", "lie-secrets", "cut", "tag", "unterminated", "latin", "fesn", "kvn",
    "twice", "short", "clear", "wrong-spid", "greedy",
]  # fmt: skip


@each_way
def test_a_life_cycle(in_process: bool) -> None:
    with hostile_host(in_process=in_process) as host:
        assert (host.facts.name, host.facts.version) == ("hostile", "1.0")
        require_right(lease(host, 1), 1)
        host.commit("lease-1", Outcome.PASS)
        host.abort("lease-1", Touched.NONE)
        assert host.counts() is None
        with pytest.raises(ProviderError, match="knows no such lease"):
            host.commit("other", Outcome.PASS)


@pytest.mark.parametrize("misbehave", FATAL)
def test_a_fatal_call_is_one_failed_lease(misbehave: str) -> None:
    with hostile_host(misbehave) as host:
        require_right(lease(host, 1), 1)
        with pytest.raises(ProviderError, match=r"hostile .* during lease; its process is"):
            lease(host, GUILTY)
        require_right(lease(host, 1), 1)


@each_way
@pytest.mark.parametrize("misbehave", LIES)
def test_a_lie_is_one_failed_lease(misbehave: str, in_process: bool) -> None:
    with hostile_host(misbehave, in_process=in_process) as host:
        with pytest.raises(ProviderError, match="its vendor has to mend it"):
            lease(host, GUILTY)
        require_right(lease(host, 1), 1)


@each_way
def test_a_library_that_waits_is_told_to_stop(in_process: bool) -> None:
    with hostile_host("slow", in_process=in_process, deadline_s=0.1) as host:
        with pytest.raises(SourceUnavailableError, match="told to stop"):
            lease(host, GUILTY)
        require_right(lease(host, 1), 1)


@each_way
def test_a_serial_library_hears_one_call_at_a_time(in_process: bool) -> None:
    """Its calls on this thread and that find the one context, and the library has no lock."""
    flag = "-DTHREADING=KFP_SERIAL"
    with hostile_host("", flag, in_process=in_process) as host, ThreadPoolExecutor(8) as lanes:
        for number, parcel in enumerate(lanes.map(lambda n: lease(host, n), range(40))):
            require_right(parcel, number)


@each_way
def test_a_lane_does_not_stand_in_the_queue_for_longer_than_a_call_may_take(
    in_process: bool,
) -> None:
    with hostile_host("", "-DTHREADING=KFP_SERIAL", in_process=in_process, deadline_s=0.2) as host:
        seat = host._free.get()  # as a call does that the library is slow with
        with pytest.raises(SourceUnavailableError, match="is busy: no call before this one"):
            lease(host, 1)
        host._free.put(seat)
        require_right(lease(host, 1), 1)


@each_way
def test_the_reference_provider_counts(tmp_path: Path, in_process: bool) -> None:
    library = reference_provider()
    config = json.dumps(stock(tmp_path, 2)).encode()
    host = ProviderHost.open(library, digest(library), config, in_process=in_process)
    lease(host, 1)
    assert host.counts() == PoolCounts(free=1, leased=1, consumed=0, quarantined=0)
    host.close()


@each_way
@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"sha256": "0" * 64}, "not the file that was approved"),
        ({"library": Path("provider.so")}, "not an absolute path"),
        ({"config": b"{" * 5000}, "result -4"),
        ({"config": bytes(CONFIG_MAX + 1)}, "its configuration is too long"),
    ],
)
def test_what_does_not_open_is_refused_and_leaves_nothing(
    changes: dict[str, object], sentence: str, in_process: bool
) -> None:
    ask = opening()
    arguments = {"library": Path(ask.path), "sha256": ask.sha256, "config": ask.config, **changes}
    with pytest.raises(ProviderError, match=sentence):
        ProviderHost.open(**arguments, in_process=in_process)  # type: ignore[arg-type]  # as above
    assert children() == {}


@each_way
def test_nothing_is_left_of_a_host(in_process: bool) -> None:
    with hostile_host(in_process=in_process):
        pass  # what is loaded for good the first time is not counted
    files, threads = descriptors(), threading.active_count()
    with hostile_host(in_process=in_process, result=-300) as host:
        lease(host, 1)
        with pytest.raises(ProviderError):
            lease(host, GUILTY)
    assert (descriptors(), threading.active_count()) == (files, threads)
    assert children() == {}


def test_nothing_is_left_of_workers_that_died() -> None:
    with hostile_host("segfault") as host:
        lease(host, 1)
        files = descriptors()
        for _ in range(5):
            with pytest.raises(ProviderError):
                lease(host, GUILTY)
            lease(host, 1)
            assert "Z" not in children().values()
        # One at work, and one spare that may just be in the making.
        assert len(children()) <= 2
        lease(host, 1)
        assert descriptors() <= files + 8
    assert children() == {}


def test_workers_die_with_their_station() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STATION],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as station:
        assert station.stdout is not None
        workers = [os.pidfd_open(int(pid)) for pid in station.stdout.readline().split()]
        station.kill()
        assert station.wait() == -signal.SIGKILL
    assert len(workers) == 2
    for worker in workers:
        # Not our children: a descriptor of theirs can be read from when they have ended.
        ended, _, _ = select.select([worker], [], [], PATIENCE_S)
        assert ended
        os.close(worker)

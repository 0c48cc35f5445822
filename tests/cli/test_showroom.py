import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kfasync.cli.showroom import trays
from kfasync.station.states import LaneState
from tests.pcscd.floor import new_fob
from tests.web.pages import PATIENCE_S, Stream


def test_every_fob_is_on_one_tray_and_a_torn_one_comes_twice() -> None:
    fobs = [new_fob() for _ in range(20)]
    dealt = trays(fobs, 4)
    assert [len(tray) for tray in dealt] == [5, 6, 5, 5]
    assert {id(fob) for tray in dealt for fob in tray} == {id(fob) for fob in fobs}
    assert dealt[1][1] is dealt[1][2]
    # One lane alone passes everything, and a tray of two has no trouble to show.
    assert len(trays(fobs[:2], 1)[0]) == 2


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_the_demo_shows_its_page_until_it_is_told_to_stop(tmp_path: Path, loop: str) -> None:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "kfasync", "demo", "--web", "--source", "containers"),
            *("--fobs", "6", "--readers", "2", "--loop", loop),
        ],
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if name != "DISPLAY"},
    )
    said: queue.Queue[str] = queue.Queue()
    lines: list[str] = []

    def read() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if "the page is at " in line:
                said.put(line.rpartition(" ")[2].strip())

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        with Stream(said.get(timeout=PATIENCE_S)) as stream:
            stream.until(2, LaneState.BOUND)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        reader.join(PATIENCE_S)
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        assert process.stdout is not None
        process.stdout.close()
    assert any("fobs passed on 2 simulated readers" in line for line in lines)

"""The one chart of a run: what a fob costs, by everybody."""

from kfasync.bench.chart import Bar, Chart
from kfasync.bench.crypto import Report
from kfasync.bench.report import of, software_of

_LABELS = {"fob": "{}", "whole": "{} *"}


def chart(report: Report) -> Chart:
    """Bars of all who do a fob, and the floor."""
    bars = [
        Bar(_LABELS[work].format(one.label), one.family, one.minimum_ns / 1000)
        for work in _LABELS
        for one in of(report, work)
    ]
    return Chart(
        title="SCP03 for one key fob",
        subtitle=(
            f"open the session and secure {report.commands} STORE DATA commands with "
            f"{report.stream_bytes:,} bytes (AES-128, S8, level 01)"
        ),
        unit="µs, logarithmic scale",
        notes=(
            "* static keys loaded before and wiped after it too",
            f"{report.machine.cpu}, minimum of {report.rounds} interleaved rounds",
            software_of(report.machine),
        ),
        bars=bars,
        line=None
        if report.fob_floor_ns is None
        else (
            f"floor, {report.fob_serial_blocks} AES blocks in a chain:",
            report.fob_floor_ns / 1000,
        ),
    )

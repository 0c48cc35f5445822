"""A run in words and numbers: for people, and as JSON."""

from collections.abc import Iterator
from math import floor, log10
from typing import Any

from kfasync.bench.crypto import Report
from kfasync.bench.machine import Machine
from kfasync.bench.rounds import Figure

#: What stands in front of the slash of an id, in the order of the tables.
WORKS = {
    "fob": "one fob: session and 11 commands, the static keys loaded before",
    "whole": "one fob, whole: keys loaded, session and 11 commands, keys wiped",
    "chain": "C-MAC chain of the 11 commands",
    "session": "one session: derive, verify, EXTERNAL AUTHENTICATE",
    "mac16": "one C-MAC of 16 bytes",
    "mac64": "one C-MAC of 64 bytes",
    "mac256": "one C-MAC of 256 bytes",
    "latency": "one round of AES that waits for the one before",
    "wipe": "one slot wiped",
}
_LABEL = 62


def three(value: float) -> str:
    """Three significant digits, written out."""
    if value <= 0:
        return "0"
    exponent = floor(log10(float(f"{value:.2e}")))
    return f"{round(value, 2 - exponent):,.{max(0, 2 - exponent)}f}"


def as_text(report: Report) -> str:
    """The ratios first, then a table for each piece of work."""
    lines = [*_conditions(report), "", *_ratios(report)]
    for work, title in WORKS.items():
        figures = of(report, work)
        if figures:
            lines += ["", f"{title:<{_LABEL}}{'minimum':>10}{'median':>10}  µs"]
            lines += [_row(one.label, one.minimum_ns, one.median_ns) for one in figures]
            lines += _floor(report, work)
    return "\n".join(lines)


def as_json(report: Report) -> dict[str, Any]:
    """Everything, for programs; times in nanoseconds."""
    machine = report.machine
    return {
        "machine": {
            "cpu": machine.cpu,
            "system": machine.system,
            "python": machine.python,
            "openssl": machine.openssl,
            "versions": machine.versions,
            "tiers": report.tiers,
        },
        "task": {
            "bytes": report.stream_bytes,
            "commands": report.commands,
            "serial_blocks": report.serial_blocks,
            "fob_serial_blocks": report.fob_serial_blocks,
            "security_level": "01",
            "scp03_mode": "S8",
            "key_bits": 128,
        },
        "rounds": report.rounds,
        "seconds": report.seconds,
        "figures": {
            one.id: {
                "label": one.label,
                "family": one.family.value,
                "minimum_ns": one.minimum_ns,
                "median_ns": one.median_ns,
                "calls": one.calls,
            }
            for one in report.figures
        },
        "floor_ns": report.floor_ns,
        "fob_floor_ns": report.fob_floor_ns,
        "ratios": {one.ratio.name: one.value for one in report.results},
        "reasons": {one.ratio.name: one.reason for one in report.results if one.reason},
    }


def of(report: Report, work: str) -> list[Figure]:
    """The figures of one piece of work, the fastest first."""
    figures = (one for one in report.figures if one.id.partition("/")[0] == work)
    return sorted(figures, key=lambda one: one.minimum_ns)


def software_of(machine: Machine) -> str:
    """The versions that matter, in one line."""
    installed = (f"{name} {version}" for name, version in machine.versions.items() if version)
    return ", ".join([machine.python, *installed, machine.openssl])


def _conditions(report: Report) -> Iterator[str]:
    tiers = ", ".join(report.tiers) or "none"
    yield f"{report.machine.cpu} ({report.machine.system}); native tiers: {tiers}"
    yield software_of(report.machine)
    yield (
        f"{report.stream_bytes:,} bytes in {report.commands} STORE DATA commands, "
        f"{report.fob_serial_blocks} AES blocks one after the other; AES-128, S8, security level 01"
    )
    yield f"{report.rounds} rounds, every candidate once a round, in {report.seconds:.0f} s"


def _ratios(report: Report) -> Iterator[str]:
    yield f"{'ratio of minima':<42}{'value':>8}  goal"
    for one in report.results:
        value = "-" if one.value is None else three(one.value)
        text = one.ratio.text if one.reason is None else f"not measured: {one.reason}"
        yield f"  {one.ratio.name:<40}{value:>8}  {one.ratio.goal:<8} {text}"


def _row(label: str, minimum_ns: float, median_ns: float | None = None) -> str:
    median = "" if median_ns is None else three(median_ns / 1000)
    return f"  {label:<{_LABEL - 2}}{three(minimum_ns / 1000):>10}{median:>10}"


def _floor(report: Report, work: str) -> Iterator[str]:
    """The floor of a piece of work, where it has one and AESENC was measured."""
    blocks, floor_ns = {
        "chain": (report.serial_blocks, report.floor_ns),
        "fob": (report.fob_serial_blocks, report.fob_floor_ns),
        "whole": (report.fob_serial_blocks, report.fob_floor_ns),
    }.get(work, (0, None))
    if floor_ns is not None:
        yield _row(f"the floor: {blocks} blocks x 10 rounds x latency of a round", floor_ns)

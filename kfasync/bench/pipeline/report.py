"""A run in words and numbers: for people, and as JSON."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from kfasync.bench.machine import Machine
from kfasync.bench.pipeline.figures import Conditions, Report

_STAGE, _FIGURE = 24, 11
_SHOWN_FAULTS = 5  # different ones; a thousand fobs may fail for one reason


def as_json(report: Report) -> dict[str, Any]:
    """What a program reads.

    ``klms_wait_ms`` is what a lane spends until it has its lease and has entered it; None where the
    content is on this machine.
    ``peak_rss_mb`` is None where the system does not say.
    """
    wait = report.klms_wait
    return {
        "fobs_per_hour": report.fobs_per_hour,
        "efficiency": report.efficiency,
        "efficiency_measured": report.efficiency_measured,
        "bound": report.bound,
        "stages": {name: msgspec.to_builtins(one) for name, one in report.stages().items()},
        "klms_wait_ms": None if wait is None else msgspec.to_builtins(wait),
        "cpu_ms_per_fob": report.cpu_ms_per_fob,
        "peak_rss_mb": report.peak_rss_mb,
        "passed": report.passed,
        "failed": report.failed,
    }


def as_text(report: Report, machine: Machine) -> str:
    """Conditions, a table of the stages, and what follows from them."""
    return "\n".join(
        [
            f"{conditions_of(report.conditions)}; {machine.cpu}, {machine.python}",
            "",
            *_table(report),
            "",
            *_results(report),
            *_faults(report),
        ]
    )


def conditions_of(conditions: Conditions) -> str:
    """In one line, what was run."""
    card = "NFC timing" if conditions.card_ms is None else f"{conditions.card_ms:g} ms of card"
    lanes = f"{conditions.lanes} lane{'s' if conditions.lanes > 1 else ''}"
    lanes += " through pcscd" if conditions.pcscd else ""
    return (
        f"{conditions.fobs} fobs on {lanes}, {card}, {_source_of(conditions)}, seed "
        f"{conditions.seed}, {conditions.loop}, crypto path {conditions.crypto_path}"
    )


def _source_of(conditions: Conditions) -> str:
    if conditions.source == "containers":
        return "content from containers"
    where = "a key server over mTLS" if conditions.source == "klms" else "a stub of a key server"
    when = "with the UID" if conditions.prefetch else "when it is needed"
    when = "ahead, fobs announced" if conditions.announce else when
    disorder = " and not all coming as announced" if conditions.disorder else ""
    return (
        f"content from {where} ({conditions.klms_ms} ms a lease, "
        f"{conditions.commit_ms} ms for ends), asked for {when}{disorder}"
    )


def _table(report: Report) -> Iterator[str]:
    heads = ("p50", "p99", "worst", "card p50")
    yield f"{'stage, ms':<{_STAGE}}" + "".join(f"{head:>{_FIGURE}}" for head in heads)
    for name, one in report.stages().items():
        figures = (one.p50_ms, one.p99_ms, one.max_ms, one.card_p50_ms)
        yield f"{name:<{_STAGE}}" + "".join(f"{figure:>{_FIGURE},.2f}" for figure in figures)


def _results(report: Report) -> Iterator[str]:
    a_second = report.passed / report.elapsed_s
    rows = [
        ("fobs an hour", f"{report.fobs_per_hour:,.0f} ({a_second:,.1f} a second)"),
        (
            "efficiency",
            f"{report.efficiency:.3f} by the timing model ({report.model_ms:.1f} ms of card a fob)",
        ),
        ("", f"{report.efficiency_measured:.3f} by the clock around the exchanges"),
        ("", f"{report.bound:.3f} is the most there could be{_why(report)}"),
        ("CPU a fob", f"{report.cpu_ms_per_fob:.2f} ms of the station, simulated fobs left out"),
    ]
    if report.peak_rss_mb is not None:
        rows.append(("peak memory", f"{report.peak_rss_mb:.0f} MiB, simulated fobs with it"))
    rows.append(("passed", f"{report.passed} of {len(report.fobs)} in {report.elapsed_s:.1f} s"))
    for label, value in rows:
        yield f"{label:<{_STAGE}}{value}"


def _why(report: Report) -> str:
    under = report.conditions
    if under.source == "containers":
        return ": no key server to wait for"
    share = report.efficiency / report.bound if report.bound else 0.0
    return f" with {under.klms_ms} ms a lease; {share:.3f} of that by the timing model"


def _faults(report: Report) -> Iterator[str]:
    faults = Counter(fob.fault for fob in report.fobs if fob.fault)
    if faults:
        yield ""
    for fault, count in faults.most_common(_SHOWN_FAULTS):
        yield f"{count} failed: {fault}"
    if len(faults) > _SHOWN_FAULTS:
        yield f"and {len(faults) - _SHOWN_FAULTS} other causes"

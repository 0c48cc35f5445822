"""What `promtool check metrics` looks for, with the rules of its linter (promlint).

promtool itself is a program of 96 MB. The text is parsed by prometheus_client.
"""

import re
from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

_TYPES = ("counter", "gauge", "histogram", "summary")
_NOT_BASE = (
    *("milliseconds", "microseconds", "nanoseconds", "minutes", "hours", "days", "weeks"),
    *("kilobytes", "megabytes", "gigabytes", "bits", "percent", "fahrenheit", "kelvin"),
)
_SHORT = ("s", "ms", "us", "ns", "sec", "min", "b", "kb", "mb", "gb", "kib", "mib")
_OF_BUCKETS = ("_bucket", "_count", "_sum")


def lint(text: str) -> list[str]:
    """A line for each fault: the metric, and what is wrong with it."""
    families = list(text_string_to_metric_families(text))
    typed = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
    found = [f"{name}: its type is said more than once" for name, n in _often(typed) if n > 1]
    found += [
        f"{name}: a counter ends in _total"
        for name, kind in typed
        if kind == "counter" and not name.endswith("_total")
    ]
    for name in sorted(set(re.findall(r"^[a-zA-Z_:][\w:]*", text, re.MULTILINE))):
        if not any(name == typed_as or _is_part(name, typed_as, kind) for typed_as, kind in typed):
            found.append(f"{name}: no TYPE")
    return found + [f"{one.name}: {fault}" for one in families for fault in _faults(one)]


def _often(typed: list[tuple[str, str]]) -> Iterator[tuple[str, int]]:
    yield from Counter(name for name, _ in typed).items()


def _is_part(name: str, of: str, kind: str) -> bool:
    return kind in ("histogram", "summary") and name in {of + one for one in _OF_BUCKETS}


def _faults(family: Metric) -> Iterator[str]:
    words = family.name.split("_")
    if not family.documentation.strip():
        yield "no HELP"
    if family.type not in _TYPES:
        yield f"its type is {family.type}"
    if family.type != "counter" and family.name.endswith("_total"):
        yield "_total is for counters"
    if family.type in ("counter", "gauge"):
        if family.name.endswith(_OF_BUCKETS):
            yield "its end is for histograms and summaries"
        if any({"le", "quantile"} & set(sample.labels) for sample in family.samples):
            yield "le and quantile are for histograms and summaries"
    if any(kind in words for kind in _TYPES):
        yield "its type does not belong into its name"
    if ":" in family.name:
        yield "a colon is for recording rules"
    if any(unit in words for unit in _NOT_BASE):
        yield "its unit is no base unit"
    if words[-1] in _SHORT:
        yield "its unit is an abbreviation"
    if family.name != family.name.lower():
        yield "names are in lower case, with underscores"
    for label in {label for sample in family.samples for label in sample.labels}:
        if label != label.lower():
            yield f"label {label} is not in lower case, with underscores"
    if family.type == "histogram":
        yield from _histogram(family)


def _histogram(family: Metric) -> Iterator[str]:
    """Every row of buckets ends at +Inf, never falls, and agrees with its count."""
    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, float]]] = {}
    counts: dict[tuple[tuple[str, str], ...], float] = {}
    for sample in family.samples:
        of = tuple(sorted((k, v) for k, v in sample.labels.items() if k != "le"))
        if sample.name.endswith("_bucket"):
            buckets.setdefault(of, []).append((float(sample.labels["le"]), sample.value))
        elif sample.name.endswith("_count"):
            counts[of] = sample.value
    for of, row in buckets.items():
        bounds, values = zip(*row, strict=True)
        if bounds[-1] != float("inf") or list(bounds) != sorted(set(bounds)):
            yield f"the buckets of {dict(of)} do not go up to +Inf"
        if list(values) != sorted(values) or counts.get(of) != values[-1]:
            yield f"the buckets of {dict(of)} do not add up to the count"

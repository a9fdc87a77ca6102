"""Prometheus' text format, version 0.0.4 (prometheus.io, "Exposition formats"). Pure.

Written here and not by prometheus_client: of a large cluster there are a hundred thousand lines, and a
router prints its own without that library.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
GAUGE, COUNTER, HISTOGRAM = "gauge", "counter", "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is: its name, kind, what it says, and by which labels it comes."""

    name: str
    kind: str
    says: str
    labels: tuple[str, ...] = ()


@dataclass(slots=True)
class Samples:
    """The values of one metric. Each: the labels' values, in their order, and the number.

    within: of a histogram, in place of values: labels' values, bounds, counts up to each bound and in all,
    sum.
    """

    metric: Metric
    values: list[tuple[Sequence[str], float]] = field(default_factory=list)
    within: list[tuple[Sequence[str], Sequence[float], Sequence[int], float]] = field(default_factory=list)


class Page:
    """Gathers samples metric by metric: a metric's lines must stand together."""

    def __init__(self) -> None:
        self._of: dict[str, Samples] = {}

    def add(self, metric: Metric, value: float, *labels: str) -> None:
        """One value."""
        self._samples(metric).values.append((labels, value))

    def add_many(self, metric: Metric, values: Iterable[tuple[Sequence[str], float]]) -> None:
        """Many of them."""
        self._samples(metric).values.extend(values)

    def add_within(
        self, metric: Metric, bounds: Sequence[float], counts: Sequence[int], total: float, *labels: str
    ) -> None:
        """One histogram."""
        self._samples(metric).within.append((labels, bounds, counts, total))

    def _samples(self, metric: Metric) -> Samples:
        found = self._of.get(metric.name)
        if found is None:
            found = self._of[metric.name] = Samples(metric)
        return found

    @property
    def lines(self) -> int:
        """How many values there are."""
        return sum(len(one.values) + len(one.within) for one in self._of.values())

    def text(self) -> str:
        """The page; "": nothing was added."""
        return "".join(f"{line}\n" for samples in self._of.values() for line in _lines(samples))


def _lines(samples: Samples) -> Iterator[str]:
    metric = samples.metric
    yield f"# HELP {metric.name} {_escaped_help(metric.says)}"
    yield f"# TYPE {metric.name} {metric.kind}"
    for labels, value in samples.values:
        yield f"{metric.name}{_braced(metric.labels, labels)} {number(value)}"
    for labels, bounds, counts, total in samples.within:
        for bound, count in zip((*map(number, bounds), "+Inf"), counts, strict=True):
            yield f"{metric.name}_bucket{_braced((*metric.labels, 'le'), (*labels, bound))} {count}"
        yield f"{metric.name}_sum{_braced(metric.labels, labels)} {number(total)}"
        yield f"{metric.name}_count{_braced(metric.labels, labels)} {counts[-1]}"


def _braced(names: Sequence[str], values: Sequence[str]) -> str:
    if not names:
        return ""
    return (
        "{" + ",".join(f'{name}="{escaped(value)}"' for name, value in zip(names, values, strict=True)) + "}"
    )


def escaped(value: str) -> str:
    """A label's value: whoever named something may have written anything."""
    if '"' not in value and "\\" not in value and value.isprintable():
        return value
    written = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return "".join(sign if sign.isprintable() else "?" for sign in written)


def _escaped_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def number(value: float) -> str:
    """A value as Prometheus reads it, whole ones without a point."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(float(value))

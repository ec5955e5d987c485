"""Gauges and counters whose values are computed at each scrape."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

Values = Callable[[], Mapping[tuple[str, ...], float]]
"""Returns the current numbers, by label values."""

Family = GaugeMetricFamily | CounterMetricFamily


class CallbackMetric(Collector):
    """A metric whose values another object keeps."""

    def __init__(self, family: type[Family], name: str, text: str, labels: Sequence[str], values: Values) -> None:
        self._family, self._name, self._text, self._labels, self._values = family, name, text, tuple(labels), values

    def describe(self) -> Iterator[Family]:
        """The metric family without samples."""
        yield self._family(self._name, self._text, labels=self._labels)

    def collect(self) -> Iterator[Family]:
        """The metric family with the current samples."""
        family = self._family(self._name, self._text, labels=self._labels)
        for labels, number in self._values().items():
            family.add_metric(labels, number)
        yield family

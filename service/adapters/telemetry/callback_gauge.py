"""Gauges and counters whose values are asked for at each scrape."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

Values = Callable[[], Mapping[tuple[str, ...], float]]
"""Gives the values of now, by the values of the labels."""

Family = GaugeMetricFamily | CounterMetricFamily


class CallbackMetric(Collector):
    """A metric whose values another object keeps."""

    def __init__(self, family: type[Family], name: str, text: str, labels: Sequence[str], values: Values) -> None:
        self._family, self._name, self._text, self._labels, self._values = family, name, text, tuple(labels), values

    def describe(self) -> Iterator[Family]:
        """The metric without values."""
        yield self._family(self._name, self._text, labels=self._labels)

    def collect(self) -> Iterator[Family]:
        """The metric with its values of now."""
        family = self._family(self._name, self._text, labels=self._labels)
        for labels, number in self._values().items():
            family.add_metric(labels, number)
        yield family

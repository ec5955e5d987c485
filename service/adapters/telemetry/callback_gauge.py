"""Gauges whose values are asked for at each scrape."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

Values = Callable[[], Mapping[tuple[str, ...], float]]
"""Gives the values of now, by the values of the labels."""


class CallbackGauge(Collector):
    """A gauge of which somebody else keeps the values."""

    def __init__(self, name: str, text: str, labels: Sequence[str], values: Values) -> None:
        self._name, self._text, self._labels, self._values = name, text, tuple(labels), values

    def describe(self) -> Iterator[GaugeMetricFamily]:
        """The gauge without values."""
        yield GaugeMetricFamily(self._name, self._text, labels=self._labels)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The gauge with its values of now."""
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for labels, number in self._values().items():
            family.add_metric(labels, number)
        yield family

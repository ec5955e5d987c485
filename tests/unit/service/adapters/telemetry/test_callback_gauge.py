"""A gauge whose values are asked for at each scrape."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from service.adapters.telemetry.callback_gauge import CallbackMetric


def test_each_scrape_asks_anew() -> None:
    values: dict[tuple[str, ...], float] = {("a", "read"): 1.0}
    registry = CollectorRegistry()
    registry.register(CallbackMetric(GaugeMetricFamily, "crml_x", "Help.", ["target", "calls"], lambda: values))
    assert registry.get_sample_value("crml_x", {"target": "a", "calls": "read"}) == 1.0
    values = {("b", "write"): 2.0}
    assert registry.get_sample_value("crml_x", {"target": "a", "calls": "read"}) is None
    assert registry.get_sample_value("crml_x", {"target": "b", "calls": "write"}) == 2.0


def test_nothing_is_asked_for_before_the_first_scrape() -> None:
    """The registry wants the names when a gauge is registered: the values need not be there yet."""

    def unready() -> dict[tuple[str, ...], float]:
        raise AssertionError("asked too early")

    registry = CollectorRegistry()
    registry.register(CallbackMetric(GaugeMetricFamily, "crml_x", "Help.", [], unready))
    with pytest.raises(ValueError, match="Duplicated"):
        registry.register(CallbackMetric(GaugeMetricFamily, "crml_x", "Help.", [], dict))


def test_without_labels_there_is_one_value() -> None:
    registry = CollectorRegistry()
    registry.register(CallbackMetric(GaugeMetricFamily, "crml_x", "Help.", [], lambda: {(): 7.0}))
    assert "# HELP crml_x Help.\n# TYPE crml_x gauge\ncrml_x 7.0\n" in generate_latest(registry).decode()


def test_no_values_are_no_series() -> None:
    registry = CollectorRegistry()
    registry.register(CallbackMetric(GaugeMetricFamily, "crml_x", "Help.", ["a"], dict))
    assert [family.samples for family in registry.collect()] == [[]]

"""Alarms in Prometheus' words."""

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from telephony.alarms.service import AlarmService
from telephony.alarms.watch import AlarmKind


class AlarmCollector(Collector):
    """Reads the service when it is scraped."""

    def __init__(self, service: AlarmService) -> None:
        self._service = service

    def collect(self) -> Iterable[Metric]:
        """Return the series; every kind has one, also when nothing is wrong."""
        now = GaugeMetricFamily("tandem_alarms", "Alarms that are raised now.", labels=("kind",))
        ever = CounterMetricFamily("tandem_alarms_raised", "Alarms raised.", labels=("kind",))
        is_open = Counter(alarm.thing.kind for alarm in self._service.open())
        for kind in AlarmKind:
            now.add_metric((kind.value,), is_open[kind])
            ever.add_metric((kind.value,), self._service.raised[kind])
        return now, ever

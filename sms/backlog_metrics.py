"""What waits for carriers, in Prometheus' words."""

from collections.abc import Callable, Iterable
from typing import Final

from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Counts = tuple[int, int]
"""Messages that wait, and how many of them are in memory."""


class BacklogCollector(Collector):
    """Gives `tandem_messages_*` for every carrier that is watched."""

    def __init__(self) -> None:
        self._carriers: dict[str, Callable[[], Counts]] = {}

    def watch(self, carrier: str, counts: Callable[[], Counts]) -> None:
        """Show a carrier from now on, in place of the one that had its name."""
        self._carriers[carrier] = counts

    def forget(self, carrier: str) -> None:
        """Show a carrier no more."""
        self._carriers.pop(carrier, None)

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        labels = ("carrier",)
        waiting = GaugeMetricFamily(
            "tandem_messages_waiting", "Messages of this gateway that wait for a carrier", labels=labels
        )
        held = GaugeMetricFamily(
            "tandem_messages_in_memory", "How many of them are in its memory", labels=labels
        )
        for carrier, counts in sorted(self._carriers.items()):
            every, in_memory = counts()
            waiting.add_metric((carrier,), every)
            held.add_metric((carrier,), in_memory)
        return [waiting, held]


COLLECTOR: Final = BacklogCollector()
"""The process's own, registered where `/metrics` looks."""
REGISTRY.register(COLLECTOR)

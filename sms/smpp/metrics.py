"""SMPP in Prometheus' words. Links count with plain integers on the hot path; they are read when scraped."""

import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sms.smpp.constants import CommandStatus


@dataclass(slots=True)
class LinkTotals:
    """What a link counted since it was made."""

    sent: int = 0
    answers: dict[int, int] = field(default_factory=dict)
    """Answers by status."""
    lost: int = 0
    delivered: int = 0
    reconnects: int = 0
    malformed: int = 0
    """PDUs that could not be decoded; added up when a connection ends."""

    @property
    def answered(self) -> int:
        """All answers, of whatever status."""
        return sum(self.answers.values())

    @property
    def throttled(self) -> int:
        """Answers that say: too much at once (0x58) or queue full (0x14)."""
        full = self.answers.get(CommandStatus.ESME_RMSGQFUL, 0)
        return full + self.answers.get(CommandStatus.ESME_RTHROTTLED, 0)


class Counted(Protocol):
    """What is watched: a link."""

    @property
    def name(self) -> str:
        """The link's name."""
        ...

    @property
    def carrier(self) -> str:
        """Its carrier's name."""
        ...

    @property
    def bound(self) -> bool:
        """Whether it is bound."""
        ...

    @property
    def outstanding(self) -> int:
        """Requests without an answer."""
        ...

    @property
    def totals(self) -> LinkTotals:
        """What it counted."""
        ...


class SmppCollector(Collector):
    """Gives `tandem_smpp_*` for every link that is watched and still exists."""

    def __init__(self) -> None:
        self._links: weakref.WeakValueDictionary[tuple[str, str], Counted] = weakref.WeakValueDictionary()

    def watch(self, link: Counted) -> None:
        """Show `link` from now on, until it is collected or another takes its name."""
        self._links[link.carrier, link.name] = link

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        labels = ("carrier", "link")
        bound = GaugeMetricFamily("tandem_smpp_bound", "1 while the link is bound", labels=labels)
        outstanding = GaugeMetricFamily(
            "tandem_smpp_outstanding", "Requests without an answer", labels=labels
        )
        totals = {
            name: CounterMetricFamily(f"tandem_smpp_{name}", text, labels=labels)
            for name, text in (
                ("sent", "submit_sm sent"),
                ("lost", "submit_sm whose answer never came"),
                ("delivered", "deliver_sm received"),
                ("reconnects", "Connections lost or failed"),
                ("malformed", "PDUs received that are no SMPP 3.4"),
            )
        }
        answers = CounterMetricFamily("tandem_smpp_answers", "submit_sm_resp", labels=(*labels, "status"))
        for key, link in sorted(self._links.items(), key=lambda item: item[0]):
            bound.add_metric(key, float(link.bound))
            outstanding.add_metric(key, link.outstanding)
            for name, family in totals.items():
                family.add_metric(key, getattr(link.totals, name))
            for status, count in sorted(link.totals.answers.items()):
                answers.add_metric((*key, f"0x{status:02X}"), count)
        return [bound, outstanding, *totals.values(), answers]


COLLECTOR: Final = SmppCollector()
"""The process's own, registered where `/metrics` looks."""
REGISTRY.register(COLLECTOR)

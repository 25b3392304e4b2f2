"""Receipts in Prometheus' words: which form their ids have, and how many are in doubt."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


@dataclass(slots=True)
class ScopeTotals:
    """What is counted of a scope (`sms.receipt_learning.Scope`) since it was made."""

    form: str
    """Empty while it is not known."""
    parked: int = 0
    """Receipts that wait for the form, now."""
    parkings: int = 0
    """Receipts that were parked."""
    changes: int = 0


class ReceiptCollector(Collector):
    """Gives `tandem_receipt*` for every scope that is watched."""

    def __init__(self) -> None:
        self._scopes: dict[tuple[str, str], ScopeTotals] = {}

    def watch(self, carrier: str, link: str, form: str) -> ScopeTotals:
        """Show a scope from now on, in place of the one that had its name; return its totals."""
        totals = self._scopes[carrier, link] = ScopeTotals(form)
        return totals

    def forget(self, carrier: str) -> None:
        """Show the scopes of a carrier no more."""
        self._scopes = {key: totals for key, totals in self._scopes.items() if key[0] != carrier}

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        labels = ("carrier", "link")
        form = GaugeMetricFamily(
            "tandem_receipt_id_form",
            "1 for the form in which ids in receipts are read; unknown: it is being learned",
            labels=(*labels, "form"),
        )
        parked = GaugeMetricFamily("tandem_receipts_parked", "Receipts whose ids are in doubt", labels=labels)
        parkings = CounterMetricFamily(
            "tandem_receipts_doubted", "Receipts that came with an id in doubt", labels=labels
        )
        changes = CounterMetricFamily(
            "tandem_receipt_id_form_changes", "Forms that turned out to be another", labels=labels
        )
        for key, totals in sorted(self._scopes.items()):
            form.add_metric((*key, totals.form or "unknown"), 1.0)
            parked.add_metric(key, totals.parked)
            parkings.add_metric(key, totals.parkings)
            changes.add_metric(key, totals.changes)
        return [form, parked, parkings, changes]


COLLECTOR: Final = ReceiptCollector()
"""The process's own, registered where `/metrics` looks."""
REGISTRY.register(COLLECTOR)

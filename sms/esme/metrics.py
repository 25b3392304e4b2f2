"""Accounts in Prometheus' words. They count with plain integers; these are read when scraped."""

import weakref
from collections.abc import Iterable
from typing import Final

from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sms.smpp.reception import Reception

_TOTALS: Final = (
    ("submitted", "submit_sm and data_sm taken from the account"),
    ("throttled", "Requests of the account beyond its rate"),
    ("enquiries", "query_sm, cancel_sm and replace_sm of the account"),
    ("delivered", "deliver_sm that the account took"),
    ("refused_binds", "Binds of the account that were refused"),
)


class AccountCollector(Collector):
    """Gives `tandem_smpp_account_*` for every account that has bound since the start.

    Names that nobody has never get here: whoever guesses must not fill the database of the metrics.
    """

    def __init__(self) -> None:
        self._receptions: weakref.WeakSet[Reception] = weakref.WeakSet()

    def watch(self, reception: Reception) -> None:
        """Show the accounts of `reception` from now on, until it is collected."""
        self._receptions.add(reception)

    def collect(self) -> Iterable[Metric]:
        """See prometheus_client."""
        binds = GaugeMetricFamily(
            "tandem_smpp_account_binds", "Binds of the account on this gateway", labels=("account",)
        )
        totals = {
            name: CounterMetricFamily(f"tandem_smpp_account_{name}", text, labels=("account",))
            for name, text in _TOTALS
        }
        for reception in self._receptions:
            for account, count in sorted(reception.binds().items()):
                binds.add_metric((account,), count)
            for account, counts in sorted(reception.counts().items()):
                for name, family in totals.items():
                    family.add_metric((account,), getattr(counts, name))
        return [binds, *totals.values()]


COLLECTOR: Final = AccountCollector()
"""The process's own, registered where `/metrics` looks."""
REGISTRY.register(COLLECTOR)

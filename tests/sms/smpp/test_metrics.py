"""What Prometheus reads of links."""

import gc

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from sms.smpp.metrics import LinkTotals, SmppCollector

pytestmark = pytest.mark.unit


class FakeLink:
    def __init__(self, name: str) -> None:
        self.name = name
        self.carrier = "carrier"
        self.bound = True
        self.outstanding = 3
        self.totals = LinkTotals(sent=7, answers={0: 4, 0x58: 2, 0x14: 1}, delivered=5)


def test_links_show_what_they_counted() -> None:
    registry = CollectorRegistry()
    collector = SmppCollector()
    registry.register(collector)
    link = FakeLink("one")
    collector.watch(link)
    labels = {"carrier": "carrier", "link": "one"}
    assert registry.get_sample_value("tandem_smpp_bound", labels) == 1
    assert registry.get_sample_value("tandem_smpp_outstanding", labels) == 3
    assert registry.get_sample_value("tandem_smpp_sent_total", labels) == 7
    assert registry.get_sample_value("tandem_smpp_delivered_total", labels) == 5
    assert registry.get_sample_value("tandem_smpp_answers_total", labels | {"status": "0x58"}) == 2
    assert (link.totals.answered, link.totals.throttled) == (7, 3)
    assert b"tandem_smpp_malformed_total" in generate_latest(registry)


def test_a_link_of_the_same_name_takes_the_place_and_a_link_that_is_gone_is_not_shown() -> None:
    registry = CollectorRegistry()
    collector = SmppCollector()
    registry.register(collector)
    collector.watch(FakeLink("old"))
    newer = FakeLink("one")
    collector.watch(FakeLink("one"))
    collector.watch(newer)
    gc.collect()
    assert registry.get_sample_value("tandem_smpp_sent_total", {"carrier": "carrier", "link": "old"}) is None
    assert registry.get_sample_value("tandem_smpp_sent_total", {"carrier": "carrier", "link": "one"}) == 7

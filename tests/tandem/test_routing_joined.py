"""What routing is told of carriers: how they write numbers, and whether they can be reached."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from carriers.model.addressing import AddressForm, Addressing
from carriers.model.carrier import Carrier
from sms.address import Addresses
from tandem.routing import LinkHealth, formats_of
from telephony.routing.formats import written
from telephony.routing.rules import Kind

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("plus", [True, False])
def test_routing_writes_numbers_as_the_message_plane_does(plus: bool) -> None:
    form = AddressForm(ton=1, npi=1, plus=plus)
    carrier = Carrier(addressing=Addressing(e164=form, destination=form))
    addresses, formats = Addresses(carrier.addressing), formats_of(carrier)
    assert written("+4930123456", formats.destination) == addresses.destination("+4930123456").digits
    for sender in ("+14255550123", "12345", "ACME"):
        assert written(sender, formats.sender) == addresses.source(sender).digits


def link(carrier: str, bound: bool, bind: str = "transceiver") -> Any:
    return SimpleNamespace(carrier=carrier, bound=bound, settings=SimpleNamespace(bind=bind))


@pytest.mark.parametrize(
    ("links", "usable"),
    [
        ([], False),
        ([link("acme", False)], False),
        ([link("other", True)], False),
        ([link("acme", True, "receiver")], False),
        ([link("acme", False), link("acme", True, "transmitter")], True),
    ],
)
def test_a_carrier_takes_texts_while_a_link_is_bound_that_may_send(links: list[Any], usable: bool) -> None:
    health = LinkHealth(lambda: cast("Any", links))
    assert health.usable("acme", Kind.SMS) is usable
    assert health.usable("acme", Kind.VOICE)

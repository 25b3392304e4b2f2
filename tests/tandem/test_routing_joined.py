"""What routing is told of carriers: how they write numbers, and whether they can be reached."""

from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from carriers.model.addressing import AddressForm, Addressing
from carriers.model.carrier import Carrier, SmppLink
from sms.address import Addresses
from sms.bank import Bank
from sms.rates import Rates
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


@pytest.mark.parametrize(
    ("bound", "reachable"),
    [
        ({}, False),
        ({"transceiver": False}, False),
        ({"receiver": True}, False),
        ({"transceiver": False, "transmitter": True}, True),
    ],
)
def test_a_carrier_takes_texts_while_a_link_is_bound_that_may_send(
    bound: dict[str, bool], reachable: bool
) -> None:
    policies = {
        bind: msgspec.convert({"host": "h", "system_id": "s", "bind": bind}, SmppLink) for bind in bound
    }
    bank = Bank({}, Rates({}))
    bank.serve([cast("Any", SimpleNamespace(name=name, bound=up)) for name, up in bound.items()], policies)
    assert bank.reachable is reachable
    health = LinkHealth(lambda carrier: carrier == "acme" and bank.reachable)
    assert health.usable("acme", Kind.SMS) is reachable
    assert not health.usable("other", Kind.SMS)
    assert health.usable("acme", Kind.VOICE)

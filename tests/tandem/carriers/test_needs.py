"""What keeps a carrier from being taken away, on both databases."""

import msgspec
import pytest

from tandem.carriers.needs import needs
from telephony.kernel.clock import DAY
from telephony.kernel.e164 import E164
from telephony.kernel.store import Store
from telephony.numbers.store import AcquireNumber, OwnedNumber
from telephony.routing.directory import OPERATOR
from telephony.routing.rules import RouteSet
from telephony.routing.store import PutRoutes
from tests.support.routing import route
from tests.support.sms import CARRIER, plane

pytestmark = pytest.mark.unit


async def why(store: Store, carrier: str) -> list[str]:
    return list(await store.read(lambda tx: needs(tx, carrier)))


async def test_nothing_keeps_a_carrier_that_nothing_names(store: Store) -> None:
    await plane(store)
    assert await why(store, "acme") == []


async def test_messages_that_wait_keep_it_until_they_are_sent_or_over(store: Store) -> None:
    on = await plane(store)
    await on.accept()
    assert (await why(store, CARRIER))[0] == "messages wait for it (1); wait, or cancel them"


async def test_messages_that_are_to_be_sent_later_keep_it_too(store: Store) -> None:
    on = await plane(store)
    assert len(await why(store, CARRIER)) == 1  # its number
    await on.send("Later", not_before=on.clock.now() + DAY)
    assert (await why(store, CARRIER))[0].startswith("messages wait for it that are to be sent later")


async def test_numbers_keep_it(store: Store) -> None:
    on = await plane(store)
    await store.write(AcquireNumber(OwnedNumber(on.resource, E164("+14255550177"), "acme"), on.clock.now()))
    assert await why(store, "acme") == [
        "numbers of resources are its (1); release them (tandem numbers release)"
    ]


async def test_routes_that_name_it_keep_it(store: Store) -> None:
    rules = RouteSet(routes=(route(target="acme"), route(1, target="acme-2")))
    await store.write(PutRoutes(OPERATOR, 0, msgspec.json.encode(rules), 1))
    assert await why(store, "acme") == [
        "the operator's routes name it; change them first (tandem routes apply)"
    ]
    assert await why(store, "acm") == []

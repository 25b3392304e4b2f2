"""The tables in force follow the database and the carriers; a set that cannot be used leaves the last one."""

import msgspec
import pytest

from telephony.kernel.e164 import E164
from telephony.kernel.errors import InvalidRequest, NotFound, PreconditionFailed
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.routing.directory import OPERATOR, RouteDirectory
from telephony.routing.formats import USUAL, NumberFormat, NumberFormats
from telephony.routing.inbound import Arrival
from telephony.routing.ports import Attempt, WayOut
from telephony.routing.router import Router
from telephony.routing.rules import InboundRule, Kind, RouteSet
from telephony.routing.store import PutRoutes
from telephony.routing.targets import TargetKinds
from telephony.routing.verbs import RouteVerbs
from tests.support.clock import ManualClock
from tests.support.routing import route

pytestmark = pytest.mark.wire

TENANT = ResourceId(b"t" * 16)
NUMBER = E164("+4930123456")
HOOK = {"kind": "webhook", "url": "https://app.example.com/in"}


class Gateway:
    """Routing as one gateway has it."""

    def __init__(self, store: Store) -> None:
        self.carriers: dict[str, NumberFormats] = {"alpha": USUAL, "beta": USUAL}
        self.router, kinds = Router(), TargetKinds()
        self.directory = RouteDirectory(store, self.router, kinds, lambda: self.carriers)
        self.verbs = RouteVerbs(
            store=store,
            clock=ManualClock(),
            directory=self.directory,
            kinds=kinds,
            carriers=lambda: self.carriers,
        )

    def out(self) -> WayOut:
        return self.router.out(Attempt(TENANT, Kind.SMS, NUMBER, "+14255550123", 0))

    def targets(self) -> list[tuple[str, str]]:
        return [(hop.target, hop.destination) for hop in self.out().hops]

    def rule(self) -> str:
        return self.router.inward(TENANT, Arrival(Kind.SMS, NUMBER, "+1", 0)).rule


def inbound(name: str) -> RouteSet:
    return RouteSet(inbound=(InboundRule(id=name, target=HOOK, numbers=(NUMBER,)),))


async def test_a_set_is_in_force_at_once_here_and_after_a_look_elsewhere(store: Store) -> None:
    here, there = Gateway(store), Gateway(store)
    await here.directory.refresh()
    await there.directory.refresh()
    assert here.out().refusal == "No route takes this number now. There are no routes."
    replaced = await here.verbs.replace(OPERATOR, RouteSet(routes=(route(1), route(2))), 0)
    assert (replaced.version, [each.what for each in replaced.oddities]) == (1, ["overlap", "refused"])
    assert here.targets() == [("alpha", "4930123456")]
    assert here.router.tables.version == 1
    assert there.targets() == []
    await there.directory.refresh()
    assert there.targets() == [("alpha", "4930123456")]


async def test_a_set_that_is_refused_changes_nothing(sqlite_store: Store) -> None:
    here = Gateway(sqlite_store)
    await here.verbs.replace(OPERATOR, RouteSet(routes=(route(1),)), 0)
    for rules, after in (
        (RouteSet(routes=(route(1, target="beta"), route(2, target="nobody"))), 1),
        (RouteSet(routes=(route(1, target="beta"), route(2, pattern="(?=1)"))), 1),
        (RouteSet(routes=(route(1, target="beta"),)), 0),
        (RouteSet(routes=(route(1, target="beta"),)), 2),
    ):
        with pytest.raises((InvalidRequest, PreconditionFailed)):
            await here.verbs.replace(OPERATOR, rules, after)
    assert here.targets() == [("alpha", "4930123456")]
    assert (await here.verbs.show(OPERATOR)).version == 1


async def test_a_resources_rule_goes_before_the_operators(sqlite_store: Store) -> None:
    here = Gateway(sqlite_store)
    assert here.rule() == ""
    await here.verbs.replace(OPERATOR, inbound("operators"), 0)
    assert here.rule() == "operators"
    await here.verbs.replace(TENANT, inbound("own"), 0)
    assert here.rule() == "own"
    await here.verbs.replace(TENANT, RouteSet(), 1)
    assert here.rule() == "operators"


async def test_a_resource_has_no_ways_out_of_its_own(sqlite_store: Store) -> None:
    with pytest.raises(InvalidRequest, match="Ways out are the operator's"):
        await Gateway(sqlite_store).verbs.check(TENANT, RouteSet(routes=(route(1),)))


async def test_carriers_that_come_go_and_write_otherwise_are_followed(sqlite_store: Store) -> None:
    here = Gateway(sqlite_store)
    await here.verbs.replace(OPERATOR, RouteSet(routes=(route(1), route(2, target="beta", cost=1))), 0)
    del here.carriers["alpha"]
    here.carriers["beta"] = NumberFormats(destination=NumberFormat(form="e164"))
    await here.directory.refresh()
    assert here.targets() == [("beta", "+4930123456")]
    here.carriers["alpha"] = USUAL
    await here.directory.refresh()
    assert [target for target, _ in here.targets()] == ["alpha", "beta"]


async def test_a_set_that_cannot_be_used_any_more_leaves_the_last_one_and_is_told(
    sqlite_store: Store,
) -> None:
    here = Gateway(sqlite_store)
    await here.verbs.replace(OPERATOR, RouteSet(routes=(route(1),)), 0)
    odd = msgspec.json.encode({"routes": [{"id": "x", "kind": "fax", "target": "alpha"}]})
    await sqlite_store.write(PutRoutes(OPERATOR, 1, odd, 1))
    await here.directory.refresh()
    assert here.targets() == [("alpha", "4930123456")]
    assert here.router.tables.version == 1
    (trouble,) = here.directory.trouble()
    assert trouble.startswith("The routes of the operator cannot be used: Invalid enum value 'fax'")
    await here.verbs.replace(OPERATOR, RouteSet(routes=(route(1, target="beta"),)), 2)
    assert here.targets() == [("beta", "4930123456")]
    assert here.directory.trouble() == []


async def test_earlier_versions_are_shown_and_unknown_ones_are_not_there(sqlite_store: Store) -> None:
    here = Gateway(sqlite_store)
    assert (await here.verbs.show(TENANT)).document == b"{}"
    await here.verbs.replace(TENANT, inbound("first"), 0)
    await here.verbs.replace(TENANT, inbound("second"), 1)
    first = await here.verbs.show(TENANT, 1)
    assert msgspec.json.decode(first.document, type=RouteSet) == inbound("first")
    with pytest.raises(NotFound):
        await here.verbs.show(TENANT, 3)


async def test_it_starts_and_stops_more_than_once(sqlite_store: Store) -> None:
    here = Gateway(sqlite_store)
    await here.directory.start()
    await here.directory.stop()
    await here.directory.stop()

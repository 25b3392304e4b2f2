"""What is kept, on both databases: who may see it, who wins, what is left behind."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from telephony.kernel.e164 import E164
from telephony.kernel.errors import Conflict, InvalidRequest, NotFound
from telephony.kernel.http.errors import Explained
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.resources.audit import Actor, ActorKind, AuditSettings, Filter
from telephony.resources.audit import find as find_records
from telephony.routing.sip_configuration import store as stored
from telephony.routing.sip_configuration import verbs
from telephony.routing.sip_configuration.choice import Use
from telephony.routing.sip_configuration.configuration import EMPTY
from telephony.routing.sip_configuration.directory import SipDirectory
from telephony.routing.sip_configuration.ports import Overall, TrunkHealth, Unwatched
from telephony.routing.sip_configuration.store import Save, find
from telephony.routing.sip_configuration.verbs import SipRouting
from telephony.routing.sip_configuration.wire import SipConfigurationUpdate
from tests.support.clock import START, ManualClock

pytestmark = pytest.mark.wire

ONE, OTHER = ResourceId(new_id(START)), ResourceId(new_id(START))
ACTOR = Actor(ActorKind.RESOURCE, ONE, None, "192.0.2.1", "request")
FIRST, SECOND = "sbc1.contoso.com", "sbc2.contoso.com"
NUMBER = E164("+14255550100")
SET: Any = {
    "trunks": {FIRST: {"sipSignalingPort": 5061}, SECOND: {"sipSignalingPort": 5062}},
    "routes": [{"name": "all", "numberPattern": r"^\+1", "trunks": [SECOND, FIRST]}],
}


def update(patch: Any) -> SipConfigurationUpdate:
    return msgspec.convert(patch, SipConfigurationUpdate)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def directory(store: Store) -> SipDirectory:
    return SipDirectory(store)


@pytest.fixture
def sip(store: Store, clock: ManualClock, directory: SipDirectory) -> SipRouting:
    return SipRouting(store, clock, directory, Unwatched(), AuditSettings())


async def test_what_is_set_is_read_by_its_own_resource_alone(
    sip: SipRouting, directory: SipDirectory
) -> None:
    after = await sip.update(ONE, update(SET), ACTOR)
    assert await sip.get(ONE) == after
    assert await sip.get(OTHER) == EMPTY
    assert directory.choose(ONE, NUMBER) is not None
    assert directory.choose(OTHER, NUMBER) is None
    assert await sip.trunks(OTHER) == []


async def test_patches_at_the_same_time_are_all_kept(sip: SipRouting, store: Store) -> None:
    names = [f"sbc{place}.contoso.com" for place in range(10)]
    await asyncio.gather(
        *(sip.update(ONE, update({"trunks": {name: {"sipSignalingPort": 1}}}), ACTOR) for name in names)
    )
    assert set((await sip.get(ONE)).trunks) == set(names)
    assert (await store.read(find(ONE))).version == 10


async def test_a_save_on_top_of_what_was_not_seen_changes_nothing(
    sip: SipRouting, store: Store, clock: ManualClock
) -> None:
    await sip.update(ONE, update(SET), ACTOR)
    before = await store.read(find(ONE))
    for seen in (0, 2):
        change = verbs.Change(ONE, ACTOR, "sip.update", "/sip")
        assert not await store.write(Save(ONE, seen, EMPTY, change, clock.now(), AuditSettings()))
    assert await store.read(find(ONE)) == before
    assert len(await store.read(find_records(Filter(ONE), 10))) == 1


async def test_every_change_leaves_a_record_and_nothing_else_does(sip: SipRouting, store: Store) -> None:
    await sip.update(ONE, update(SET), ACTOR)
    await sip.update(ONE, update({"trunks": {FIRST: {"sipSignalingPort": 5061}}}), ACTOR)  # is so already
    with pytest.raises(Explained):
        await sip.update(ONE, update({"trunks": {FIRST: None}}), ACTOR)
    await sip.update(ONE, update({"trunks": {FIRST: {"sipSignalingPort": 7}}}), ACTOR)
    second, first = await store.read(find_records(Filter(ONE), 10))
    assert (first.operation, first.target, first.address, first.status) == (
        "sip.update",
        "/sip",
        "192.0.2.1",
        200,
    )
    assert json.loads(first.before or "") == {"trunks": {}, "routes": []}
    assert list(json.loads(first.after or "")["trunks"]) == [FIRST, SECOND]
    assert json.loads(second.body or "") == {"trunks": {FIRST: {"sipSignalingPort": 7}}}
    assert json.loads(second.before or "") == {"trunks": {FIRST: {"sipSignalingPort": 5061, "enabled": True}}}
    assert json.loads(second.after or "") == {"trunks": {FIRST: {"sipSignalingPort": 7, "enabled": True}}}


async def test_a_trunk_is_used_while_the_operator_enables_it_and_the_tenant_does_not_switch_it_off(
    sip: SipRouting, directory: SipDirectory
) -> None:
    await sip.update(ONE, update(SET), ACTOR)
    await sip.enable(ONE, SECOND)

    def used() -> list[str]:
        choice = directory.choose(ONE, NUMBER)
        assert choice is not None
        return [each.fqdn for each in choice.trunks]

    assert used() == [SECOND]
    await sip.enable(ONE, FIRST.upper())
    assert used() == [SECOND, FIRST]
    await sip.update(ONE, update({"trunks": {SECOND: {"enabled": False}}}), ACTOR)
    assert used() == [FIRST]
    await sip.update(ONE, update({"domains": {"contoso.com": {"enabled": False}}}), ACTOR)
    assert used() == []
    assert [(each.fqdn, each.use) for each in await sip.trunks(ONE)] == [
        (FIRST, Use.DOMAIN_OFF),
        (SECOND, Use.OFF),
    ]
    await sip.update(
        ONE,
        update({"domains": {"contoso.com": {"enabled": True}}, "trunks": {SECOND: {"enabled": None}}}),
        ACTOR,
    )
    await sip.disable(ONE, SECOND)
    assert used() == [FIRST]


async def test_a_name_is_enabled_for_one_resource_alone(
    sip: SipRouting, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sip.enable(ONE, FIRST)
    await sip.enable(ONE, FIRST)  # is so already
    with pytest.raises(Conflict):
        await sip.enable(OTHER, FIRST.upper())
    with pytest.raises(NotFound):
        await sip.disable(OTHER, FIRST)
    with pytest.raises(NotFound):
        await sip.trunk(OTHER, FIRST)
    with pytest.raises(InvalidRequest):
        await sip.enable(ONE, "192.0.2.1")
    monkeypatch.setattr(stored, "MAX_ENABLED", 1)
    with pytest.raises(InvalidRequest, match="At most 1"):
        await sip.enable(ONE, SECOND)
    await sip.disable(ONE, FIRST)
    assert (await sip.enable(OTHER, FIRST)).use is None


async def test_health_is_what_the_port_says(store: Store, clock: ManualClock) -> None:
    class Watched:
        def of(self, resource: ResourceId, fqdn: str, port: int) -> TrunkHealth:
            assert resource == ONE
            return TrunkHealth(overall=Overall.ACTIVE if (fqdn, port) == (FIRST, 5061) else Overall.INACTIVE)

    sip = SipRouting(store, clock, SipDirectory(store), Watched(), AuditSettings())
    configuration = await sip.update(ONE, update(SET), ACTOR)
    assert {name: each.overall for name, each in sip.health(ONE, configuration).items()} == {
        FIRST: Overall.ACTIVE,
        SECOND: Overall.INACTIVE,
    }
    first, second = await sip.trunks(ONE)
    assert (first.health, second.health) == (
        TrunkHealth(overall=Overall.ACTIVE),
        TrunkHealth(overall=Overall.INACTIVE),
    )

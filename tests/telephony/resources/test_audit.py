"""Records of changes that planes write inside their own jobs."""

import pytest
from msgspec import Struct
from sqlalchemy import Connection, func, select

from telephony.kernel.clock import DAY
from telephony.kernel.errors import Conflict
from telephony.kernel.http.route import Request, Role
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.kernel.store.retention import RetentionSettings, purge
from telephony.resources import audit
from telephony.resources.audit import Actor, ActorKind, Change, Filter, actor_of, find, record
from telephony.resources.audit_admin import routes
from telephony.resources.directory import NOBODY
from tests.support.clock import START

pytestmark = pytest.mark.wire

ONE, OTHER = ResourceId(b"resource-one----"), ResourceId(b"resource-two----")
USER = "8:acs:7265736f-7572-6365-2d6f-6e652d2d2d2d_7265736f-7572-6365-2d6f-6e652d2d2d2e"


class Number(Struct):
    number: str
    password: str = ""


def change(
    resource: ResourceId = ONE, operation: str = "numbers.purchase", user: str | None = None
) -> Change:
    request: Request[None] = Request(resource, None, user=user, address="192.0.2.1", request_id="request")
    after = Number("+14255550123", "secret")
    return Change(resource, actor_of(request), operation, "/phoneNumbers", after=after)


async def test_a_job_records_its_change_and_both_or_none_stand(store: Store) -> None:
    def buy(tx: Connection) -> None:
        record(tx, change(), START)

    def fail(tx: Connection) -> None:
        record(tx, change(), START)
        raise Conflict("somebody was quicker")

    await store.write(buy)
    with pytest.raises(Conflict):
        await store.write(fail)
    (found,) = await store.read(find(Filter(), 10))
    assert (found.kind, found.actor, found.role, found.name) == (ActorKind.RESOURCE, ONE, None, None)
    assert (found.address, found.request, found.status) == ("192.0.2.1", "request", 200)
    assert (found.body, found.before) == (None, None)
    assert found.after == '{"number":"+1425*****23","password":"***"}'


async def test_a_users_change_is_shown_with_the_users_id(store: Store) -> None:
    await store.write(lambda tx: record(tx, change(user=USER), START))
    (route,) = routes(store)
    reply = await route.handler(Request(NOBODY, None))
    (shown,) = reply.body.value
    assert (shown.actor.kind, shown.actor.id) == (ActorKind.USER, USER)


def test_who_asks_is_told_from_the_request() -> None:
    by_key: Request[None] = Request(
        NOBODY, None, role=Role.BILLING, key=b"key", address="::1", request_id="r"
    )
    assert actor_of(by_key) == Actor(ActorKind.ADMINISTRATOR, b"key", "billing", "::1", "r")
    assert actor_of(Request(ONE, None, user=USER)).id == USER.encode()
    assert actor_of(Request(ONE, None)) == Actor(ActorKind.RESOURCE, ONE)


async def test_records_are_found_by_resource_and_the_beginning_of_an_operation(store: Store) -> None:
    for resource, operation in ((ONE, "numbers.buy"), (ONE, "numbers_x.buy"), (OTHER, "numbers.buy")):
        await store.write(
            lambda tx, made=change(resource, operation): record(tx, made, START)  # noqa: B008 - a value
        )
    assert len(await store.read(find(Filter(operation="numbers."), 10))) == 2
    assert len(await store.read(find(Filter(resource=ONE, operation="numbers.buy"), 10))) == 1
    assert len(await store.read(find(Filter(resource=ONE), 10))) == 2
    assert len(await store.read(find(Filter(), 2))) == 2


async def test_records_are_forgotten_when_their_time_has_come(store: Store) -> None:
    await store.write(lambda tx: record(tx, change(), START, days=2))
    await purge(store, START + DAY, RetentionSettings())
    assert len(await store.read(find(Filter(), 10))) == 1
    await purge(store, START + 3 * DAY, RetentionSettings())
    left = [
        await store.read(lambda tx, table=table: tx.scalar(select(func.count()).select_from(table)))
        for table in (audit.audit, audit.audit_outcomes)
    ]
    assert left == [0, 0]

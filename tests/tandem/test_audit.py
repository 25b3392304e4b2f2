"""Every operation of administration that changes something leaves exactly one record, whoever wrote it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import select

from tandem.audit import audited, is_audited
from telephony.kernel.errors import Conflict, Unavailable
from telephony.kernel.http.route import Auth, Reply, Request, Role, Route
from telephony.kernel.ids import new_id, to_text
from telephony.kernel.store import Store
from telephony.resources.audit import AuditSettings, audit, audit_outcomes
from telephony.resources.directory import NOBODY
from tests.support.administrator import Ask, administrator
from tests.support.clock import START, ManualClock
from tests.support.inside import Inside, inside
from tests.support.schemas import body_of, path_of

pytestmark = pytest.mark.wire

SECRETS: Final = ("accesskey=", "whsec_", "tak_")
"""How secrets of ours begin."""


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Inside]:
    async with inside(tmp_path / "var", http__rate="1000000", log__level="error") as running:
        yield running


async def records(home: Inside, query: str = "") -> list[dict[str, Any]]:
    answer = await home.administer("GET", f"/admin/audit{query}")
    assert answer.status == 200, answer.body
    found: list[dict[str, Any]] = answer.json["value"]
    return found


async def test_every_operation_that_changes_something_leaves_exactly_one_record(home: Inside) -> None:
    walked = [route for route in home.gateway.routes if is_audited(route)]
    assert len(walked) >= 15
    values = {"resource": to_text(home.other.id)}
    async with administrator(home) as ask:
        await _walk(walked, values, ask)
    kept = await home.gateway.store.read(lambda tx: [*map(str, tx.execute(select(audit)))])
    kept += await home.gateway.store.read(lambda tx: [*map(str, tx.execute(select(audit_outcomes)))])
    assert not [row for row in kept for secret in SECRETS if secret in row]


async def _walk(walked: list[Route], values: dict[str, str], ask: Ask) -> None:
    for before, route in enumerate(walked):
        target = path_of(route, values, to_text(new_id(START)))
        answer = await ask(route.method, target, body_of(route))
        found = (await ask("GET", "/admin/audit?top=1000")).json["value"]
        assert len(found) == before + 1, f"{route.operation}: {len(found) - before} records, not one"
        record = found[0]
        assert record["operation"] == route.operation
        assert record["status"] == answer.status, route.operation
        assert record["target"] == target
        owner = values["resource"] if "{resource}" in route.template else to_text(NOBODY)
        assert record["resource"] == owner, route.operation
        assert record["requestId"] == answer.headers["x-ms-request-id"]
        assert record["actor"]["kind"] == "administrator"
        assert (record["actor"]["role"], record["actor"]["name"]) == ("owner", "this node's own")
        assert record["actor"]["address"] == "127.0.0.1"


async def test_only_what_is_refused_before_it_is_tried_leaves_none(home: Inside) -> None:
    reader = await home.administer("POST", "/admin/keys", b'{"name":"auditor","role":"read-only"}')
    key = {"Authorization": f"Bearer {reader.json['key']}"}
    body = b'{"name":"more","role":"owner"}'
    assert (await home.administer("POST", "/admin/keys", body, key)).status == 403
    assert (await home.administer("POST", "/admin/keys", body, {"Authorization": "Bearer no"})).status == 401
    assert (await home.administer("POST", "/admin/keys", b'{"name":1}')).status == 400
    assert (await home.administer("GET", "/admin/keys", b"", key)).status == 200
    assert [each["operation"] for each in await records(home)] == ["admin.keys.create"]


async def test_a_record_tells_what_was_before_and_after(home: Inside) -> None:
    item = f"/admin/resources/{to_text(home.other.id)}"
    more = json.dumps({"authorities": ["more.example:8443"]}).encode()
    assert (await home.administer("POST", item + ":addAuthorities", more)).status == 200
    assert (await home.administer("DELETE", item)).status == 204
    removed, added = await records(home, f"?resource={to_text(home.other.id)}&operation=admin.resources.")
    assert added["body"] == {"authorities": ["more.example:8443"]}
    assert added["before"]["authorities"] == [home.other.authority]
    assert added["after"]["authorities"] == [home.other.authority, "more.example:8443"]
    assert removed["before"]["enabled"] is True
    assert "after" not in removed


async def test_records_come_in_pages_and_by_filter(home: Inside) -> None:
    for name in ("one", "two", "three"):
        body = json.dumps({"name": name, "role": "billing"}).encode()
        assert (await home.administer("POST", "/admin/keys", body)).status == 201
    first = await home.administer("GET", "/admin/audit?top=2&operation=admin.keys.create")
    assert [each["body"]["name"] for each in first.json["value"]] == ["three", "two"]
    second = await home.administer("GET", first.json["nextLink"])
    assert [each["body"]["name"] for each in second.json["value"]] == ["one"]
    assert "nextLink" not in second.json
    everything = await records(home)
    middle = everything[1]["at"].replace("+", "%2B")
    assert [each["body"]["name"] for each in await records(home, f"?since={middle}")] == ["three", "two"]
    assert [each["body"]["name"] for each in await records(home, f"?until={middle}")] == ["one"]
    assert await records(home, f"?actor={everything[0]['actor']['id']}") == everything
    assert await records(home, f"?actor={to_text(NOBODY)}") == []
    for wrong in ("resource=x", "actor=x", "since=today", "continuation=x", "top=0"):
        assert (await home.administer("GET", f"/admin/audit?{wrong}")).status == 400, wrong


class Thing:
    """Something that can be set, as a plane would have it."""

    def __init__(self) -> None:
        self.value = 1

    async def show(self, _: Request[None]) -> Reply:
        return Reply(200, {"value": self.value, "password": "hidden"})

    async def change(self, request: Request[None]) -> Reply:
        self.value = 2
        if request.query.get("fail") == "known":
            raise Conflict("no", target="thing")
        if request.query.get("fail"):
            raise RuntimeError("nobody foresaw it")
        return Reply(204)

    def routes(self, store: Store) -> list[Route]:
        own = [
            Route("thing.get", "GET", "/admin/thing", self.show, Auth.ADMIN),
            Route("thing.set", "PUT", "/admin/thing", self.change, Auth.ADMIN),
        ]
        return audited(own, store, ManualClock(), AuditSettings(days=1))


async def halves(store: Store) -> tuple[list[Any], list[Any]]:
    return await store.read(
        lambda tx: (list(tx.execute(select(audit))), list(tx.execute(select(audit_outcomes))))
    )


async def test_a_change_that_fails_leaves_a_record_with_its_status(store: Store) -> None:
    thing = Thing()
    _, change = thing.routes(store)
    with pytest.raises(Conflict):
        await change.handler(Request(NOBODY, None, query={"fail": "known"}, role=Role.OWNER))
    with pytest.raises(RuntimeError):
        await change.handler(Request(NOBODY, None, query={"fail": "unknown"}, role=Role.OWNER))
    begun, ended = await halves(store)
    assert [row.before for row in begun] == [
        '{"value":1,"password":"***"}',
        '{"value":2,"password":"***"}',
    ]
    assert [(row.status, row.after) for row in ended] == [
        (409, '{"code":"Conflict","target":"thing"}'),
        (500, None),
    ]


async def test_what_cannot_be_recorded_is_not_changed(sqlite_store: Store) -> None:
    thing = Thing()
    _, change = thing.routes(sqlite_store)
    await asyncio.to_thread(sqlite_store.stop)
    with pytest.raises(Unavailable):
        await change.handler(Request(NOBODY, None, role=Role.OWNER))
    assert thing.value == 1


async def test_the_first_half_stands_when_the_process_dies_in_the_middle(store: Store) -> None:
    async def look(_: Request[None]) -> Reply:
        begun, ended = await halves(store)
        assert (len(begun), len(ended)) == (1, 0)
        raise Conflict("it goes on")

    route = Route("thing.set", "POST", "/admin/thing", look, Auth.ADMIN)
    (wrapped,) = audited([route], store, ManualClock(), AuditSettings())
    with pytest.raises(Conflict):
        await wrapped.handler(Request(NOBODY, None, role=Role.OWNER))

"""A person's number in routes: old versions lose it, what is in force is named for whoever has to decide."""

from typing import Any

import msgspec
import pytest

from telephony.kernel.e164 import E164
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.resources.privacy import PrivacyVerbs
from telephony.routing.directory import OPERATOR
from telephony.routing.erase import OldRoutesEraser, named
from telephony.routing.rules import RouteSet
from telephony.routing.sip_configuration.configuration import Route, SipConfiguration
from telephony.routing.sip_configuration.tables import sip_configurations
from telephony.routing.store import PutRoutes, ReadRoutes
from tests.support.clock import ManualClock

pytestmark = pytest.mark.wire

PERSON, LONGER = E164("+12065550123"), "+120655501234"
ONE, OTHER = ResourceId(new_id(1)), ResourceId(new_id(2))
CLOSED = {"kind": "reject"}


def rule(name: str, **changes: Any) -> dict[str, Any]:
    return {"id": name, "target": CLOSED, "prefixes": [""], **changes}


def verbs(store: Store) -> PrivacyVerbs:
    return PrivacyVerbs(store, ManualClock(), (OldRoutesEraser(),), named=(named,))


async def put(store: Store, owner: ResourceId, *versions: dict[str, Any]) -> None:
    for place, one in enumerate(versions):
        document = msgspec.json.encode(msgspec.convert(one, RouteSet))
        await store.write(PutRoutes(owner, place, document, 1))


async def documents(store: Store, owner: ResourceId, count: int) -> list[str]:
    found = [await store.read(ReadRoutes(owner, version)) for version in range(1, count + 1)]
    return [one.document.decode() for one in found if one is not None]


async def test_old_versions_lose_the_number_and_stay_what_they_were(store: Store) -> None:
    naming = {
        "inbound": [
            rule("caller", callers=[PERSON, LONGER]),
            rule("pattern", pattern=r"^\+12065550123$", prefixes=[]),
            rule("on", kinds=["sms"], target={"kind": "number", "number": PERSON}),
        ],
        "routes": [{"id": "r", "kind": "sms", "target": "acme", "senders": ["+1206"], "cost": 12065550123}],
    }
    await put(store, OPERATOR, naming, {"inbound": [rule("other")]}, naming, {})
    await put(store, ONE, {"inbound": naming["inbound"]}, {})
    await put(store, OTHER, {"inbound": naming["inbound"]}, {})
    report = await verbs(store).erase(ONE, PERSON)
    assert report.erased == {"oldRoutes": 3}
    assert report.named == []
    kept = await documents(store, OPERATOR, 4)
    assert [PERSON in one.replace(LONGER, "") for one in kept] == [False] * 4
    first = msgspec.json.decode(kept[0])
    assert [one["id"] for one in first["inbound"]] == ["caller", "pattern", "on"]
    assert first["inbound"][0]["callers"] == ["erased", LONGER]
    assert first["routes"][0]["cost"] == 12065550123
    assert PERSON not in "".join(await documents(store, ONE, 2)).replace(LONGER, "")
    assert PERSON in (await documents(store, OTHER, 2))[0]
    assert (await verbs(store).erase(ONE, PERSON)).erased == {"oldRoutes": 0}


async def test_what_is_in_force_stays_and_is_named_without_the_number(store: Store) -> None:
    digits = PERSON.removeprefix("+")
    await put(
        store,
        OPERATOR,
        {},
        {
            "inbound": [rule("open"), rule("blocked", callers=[PERSON]), rule(digits)],
            "routes": [{"id": "vip", "kind": "sms", "target": "acme", "prefixes": [PERSON]}],
        },
    )
    await put(store, ONE, {"inbound": [rule("own", target={"kind": "number", "number": PERSON})]})
    await put(store, OTHER, {"inbound": [rule("not-ours", callers=[PERSON])]})
    sip = SipConfiguration(
        routes=(Route("any", r".*"), Route("shown", r"^\+49", None, (), PERSON), Route("one", f"^{PERSON}$"))
    )
    values = {"resource": ONE, "version": 1, "configuration": msgspec.json.encode(sip), "updated": 1}
    await store.write(lambda tx: tx.execute(sip_configurations.insert().values(values)).rowcount)
    before = await documents(store, OPERATOR, 2)
    report = await verbs(store).erase(ONE, PERSON)
    assert report.named == [
        "the resource's routes, version 1: inbound rule own",
        "the operator's routes, version 2: route vip",
        "the operator's routes, version 2: inbound rule blocked",
        "the operator's routes, version 2: inbound rule number 3",
        "the resource's /sip configuration: route shown",
        "the resource's /sip configuration: route one",
    ]
    assert await documents(store, OPERATOR, 2) == before

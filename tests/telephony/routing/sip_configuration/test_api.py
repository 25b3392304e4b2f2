"""The operations as ACS's versions have them, and whatever else comes as a body."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from telephony.kernel.errors import CallerError, InvalidRequest
from telephony.kernel.http.bodies import BodyDecoder
from telephony.kernel.http.errors import Explained, error_reply
from telephony.kernel.http.route import MERGE_PATCH, Request
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.resources.audit import AuditSettings
from telephony.routing.sip_configuration import api
from telephony.routing.sip_configuration.directory import SipDirectory
from telephony.routing.sip_configuration.ports import Unwatched
from telephony.routing.sip_configuration.verbs import SipRouting
from telephony.routing.sip_configuration.wire import EXTENDED, VERSIONS, SipConfigurationUpdate
from tests.support.clock import START, ManualClock

pytestmark = pytest.mark.wire

ONE, OTHER = ResourceId(new_id(START)), ResourceId(new_id(START))
STABLE, NEWEST = "2023-03-01", "2024-11-15-preview"
DECODER = BodyDecoder(SipConfigurationUpdate, (MERGE_PATCH,))
FULL: Any = {
    "domains": {"contoso.com": {"enabled": True}},
    "trunks": {
        "us.contoso.com": {
            "sipSignalingPort": 5061,
            "stepOutOfSignaling": False,
            "privacyHeader": "None",
            "ipAddressVersion": "IPv4",
        },
        "global.contoso.com": {"sipSignalingPort": 5062, "enabled": False},
    },
    "routes": [
        {"name": "Seattle", "numberPattern": r"^\+1(425|206)\d{7}$", "trunks": ["us.contoso.com"]},
        {"name": "Kyiv", "numberPattern": r"^\+380", "description": "one day"},
        {"name": "Global", "numberPattern": r"^\+\d+$", "callerIdOverride": "+1234567890"},
    ],
}


class Api:
    """Calls the handlers as the HTTP application does."""

    def __init__(self, store: Store) -> None:
        sip = SipRouting(store, ManualClock(), SipDirectory(store), Unwatched(), AuditSettings())
        self.handlers = {route.operation: route.handler for route in api.routes(sip)}

    async def __call__(
        self,
        operation: str,
        body: bytes | None = None,
        *,
        version: str = NEWEST,
        resource: ResourceId = ONE,
        **query: str,
    ) -> Any:
        decoded = None if body is None else DECODER.decode(MERGE_PATCH, None, body)
        request = Request(resource, decoded, query=query, version=version)
        reply = await self.handlers[f"sip.{operation}"](request)
        assert reply.status == 200
        return msgspec.json.decode(msgspec.json.encode(reply.body))


def encoded(body: Any) -> bytes:
    return msgspec.json.encode(body)


def nulls(value: Any) -> bool:
    if isinstance(value, dict):
        return any(nulls(each) for each in value.values())
    if isinstance(value, list):
        return any(nulls(each) for each in value)
    return value is None


@pytest.fixture
def call(sqlite_store: Store) -> Api:
    return Api(sqlite_store)


async def test_nothing_set_is_an_empty_configuration(call: Api) -> None:
    assert await call("get", version=STABLE) == {"trunks": {}, "routes": []}
    assert await call("get") == {"domains": {}, "trunks": {}, "routes": []}


async def test_each_version_shows_what_it_knows_and_never_a_null(call: Api) -> None:
    done = await call("update", encoded(FULL))
    assert done == await call("get")
    assert done["domains"] == FULL["domains"]
    assert done["trunks"]["us.contoso.com"] == FULL["trunks"]["us.contoso.com"] | {"enabled": True}
    assert done["routes"] == [{"trunks": [], **each} for each in FULL["routes"]]
    assert list(done["trunks"]) == list(FULL["trunks"])
    for version in VERSIONS:
        found = await call("get", version=version)
        assert not nulls(found)
        assert ("domains" in found) is (version in EXTENDED)
    old = await call("get", version=STABLE)
    assert old["trunks"] == {
        "us.contoso.com": {"sipSignalingPort": 5061},
        "global.contoso.com": {"sipSignalingPort": 5062},
    }
    assert "callerIdOverride" not in old["routes"][2]
    assert await call("get", resource=OTHER, version=STABLE) == {"trunks": {}, "routes": []}


@pytest.mark.parametrize(
    ("patch", "target"),
    [
        ({"domains": {}}, "domains"),
        ({"trunks": {"a.b": {"privacyHeader": "ID"}}}, "trunks.a.b.privacyHeader"),
        ({"trunks": {"x.y": None, "a.b": {"enabled": False}}}, "trunks.a.b.enabled"),
        (
            {"routes": [{"name": "n", "numberPattern": "1", "callerIdOverride": "+1234567890"}]},
            "routes[0].callerIdOverride",
        ),
    ],
)
async def test_a_version_that_does_not_know_something_says_so(call: Api, patch: Any, target: str) -> None:
    with pytest.raises(InvalidRequest, match=NEWEST) as refused:
        await call("update", encoded(patch), version=STABLE)
    assert refused.value.target == target


@pytest.mark.parametrize("name", ["$expand", "expand"])
async def test_health_is_shown_when_it_is_asked_for_and_nobody_knows_it(call: Api, name: str) -> None:
    await call("update", encoded(FULL))
    found = await call("get", **{name: "trunks/health"})
    assert found["trunks"]["us.contoso.com"]["health"] == {
        "tls": {"status": "unknown"},
        "ping": {"status": "unknown"},
        "overall": {"status": "unknown"},
    }
    for version, value in ((NEWEST, "trunks"), (STABLE, "trunks/health")):
        with pytest.raises(InvalidRequest):
            await call("get", version=version, **{name: value})


@pytest.mark.parametrize("number", ["+14251234567", " 14251234567", "+1 (425) 123-4567", "0014251234567"])
async def test_a_number_is_tried_on_a_draft_and_on_what_is_in_force(call: Api, number: str) -> None:
    tested = await call("test_routes", encoded(FULL), targetPhoneNumber=number)
    assert [each["name"] for each in tested["matchingRoutes"]] == ["Seattle", "Global"]
    assert tested["matchingRoutes"][1]["callerIdOverride"] == "+1234567890"
    assert await call("test_routes", b"", targetPhoneNumber=number) == {"matchingRoutes": []}
    assert (await call("get"))["trunks"] == {}  # a draft stays one
    await call("update", encoded(FULL))
    assert await call("test_routes", b"", targetPhoneNumber=number) == tested


@pytest.mark.parametrize("number", ["", "hello", "+1", "5550100"])
async def test_what_is_no_number_is_refused(call: Api, number: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        await call("test_routes", encoded(FULL), targetPhoneNumber=number)
    assert refused.value.target == "targetPhoneNumber"


async def test_a_draft_is_checked_like_a_patch(call: Api) -> None:
    for broken in ({"numberPattern": "("}, {"numberPattern": "1", "trunks": ["a.b"]}):
        body = encoded({"routes": [{"name": "n", **broken}]})
        with pytest.raises(Explained):
            await call("test_routes", body, targetPhoneNumber="+14251234567")


_names = st.sampled_from(["a.b", "A.B", "us.contoso.com", "contoso.com", "-1", "", "1.2.3.4", "x" * 300])
_patterns = st.one_of(
    st.sampled_from(["", "1", "(", r"^\+", "(?=1)", r"(a)\1", "a{1001}", r"(\d{30}){30}{30}", "[[:x:]]"]),
    st.text(max_size=20),
)
_odd: Any = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just([]), st.just({})
)


def _either(good: Any) -> Any:
    return st.one_of(*[good] * 12, _odd)


_trunk = st.fixed_dictionaries(
    {},
    optional={
        "sipSignalingPort": _either(st.integers(-1, 70_000)),
        "enabled": _either(st.booleans()),
        "stepOutOfSignaling": _either(st.booleans()),
        "privacyHeader": _either(st.sampled_from(["ID", "None", "id"])),
        "ipAddressVersion": _either(st.sampled_from(["IPv4", "IPv6"])),
        "health": _odd,
    },
)
_route = st.fixed_dictionaries(
    {"name": _either(st.text(max_size=3)), "numberPattern": _either(_patterns)},
    optional={
        "description": _either(st.text(max_size=5)),
        "trunks": _either(st.lists(_either(_names), max_size=3)),
        "callerIdOverride": _either(st.just("+1234567890")),
    },
)
_bodies = st.fixed_dictionaries(
    {},
    optional={
        "domains": _either(st.dictionaries(_names, _either(st.just({"enabled": True})), max_size=3)),
        "trunks": _either(st.dictionaries(_names, _either(_trunk), max_size=4)),
        "routes": _either(st.lists(_either(_route), max_size=4)),
        "unknown": _odd,
    },
)


def test_any_body_is_taken_or_refused_as_the_callers_mistake(sqlite_store: Store) -> None:
    call = Api(sqlite_store)
    taken: set[str] = set()
    statuses: set[int] = set()

    async def one(operation: str, body: bytes, version: str) -> None:
        try:
            await call(operation, body, version=version, targetPhoneNumber="+14251234567")
            taken.add(operation)
            found = await call("get")
            assert not nulls(found)
            spelled = {name.lower() for name in found["trunks"]}
            assert all(name.lower() in spelled for way in found["routes"] for name in way["trunks"])
        except CallerError as error:
            statuses.add(error_reply(error).status)

    with asyncio.Runner() as runner:

        @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(
            st.one_of(_bodies.map(encoded), _bodies.map(encoded), _odd.map(encoded), st.binary(max_size=20)),
            st.sampled_from(["update", "update", "test_routes"]),
            st.sampled_from([STABLE, NEWEST]),
        )
        @example(encoded(FULL), "update", NEWEST)
        @example(encoded(FULL), "test_routes", NEWEST)
        @example(encoded({"trunks": {"-1": {"sipSignalingPort": 1}}}), "update", STABLE)
        @example(b"[", "update", STABLE)
        def run(body: bytes, operation: str, version: str) -> None:
            runner.run(one(operation, body, version))

        run()
    assert taken == {"update", "test_routes"}
    assert statuses == {400, 422}

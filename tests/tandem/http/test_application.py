"""The order of checks, the headers of a reply, limits, and the end of a server: over a real socket."""

import asyncio
import base64
import io
import logging
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import pytest
import structlog

from tandem.http import ServerLimits, Settings
from telephony.kernel.http.bodies import BodyDecoder
from telephony.kernel.http.limits import RequestLimits
from telephony.kernel.http.route import MERGE_PATCH, Role, UserToken
from telephony.kernel.http.signature import DENIED, sign
from telephony.kernel.ids import ResourceId
from telephony.kernel.log import _renderers
from telephony.resources.verbs import AddAdminKey
from tests.support.clock import ManualClock
from tests.support.http import House, ask_raw, house, read_answer, request_bytes
from tests.support.routes import Ids, assert_foreign_ids_look_absent
from tests.support.toys import Toys

pytestmark = pytest.mark.wire

V = "?api-version=2021-03-07"
SMS = b'{"from":"+1","smsRecipients":[{"to":"+2"}],"message":"hello"}'


@pytest.fixture
def toys() -> Toys:
    return Toys()


@pytest.fixture
async def home(toys: Toys, tmp_path: Path) -> AsyncIterator[House]:
    async def users(resource: ResourceId, token: str) -> UserToken | None:
        return UserToken("8:acs:x_alice", ("chat",), 0, 1) if token == f"alice@{resource.hex()}" else None

    async with house(toys.routes(), tmp_path, clock=ManualClock(), users=users) as home:
        yield home


async def test_a_signed_request_reaches_its_handler_with_everything_decoded(home: House, toys: Toys) -> None:
    answer = await home.signed("POST", "/sms" + V, SMS, headers={"X-Mine": "1"})
    assert (answer.status, answer.json["value"][0]["to"]) == (202, "+2")
    (request,) = toys.seen
    assert request.resource == home.one.id
    assert (request.version, request.body.message) == ("2021-03-07", "hello")
    assert request.origin == f"http://{home.authority}"
    assert request.headers["x-mine"] == "1"
    assert request.request_id == answer.headers["x-ms-request-id"]


async def test_a_large_body_is_decoded_beside_the_event_loop(
    home: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[bool] = []
    decode = BodyDecoder.decode

    def watched(self: BodyDecoder[Any], *arguments: Any) -> Any:
        threads.append(threading.current_thread() is threading.main_thread())
        return decode(self, *arguments)

    monkeypatch.setattr(BodyDecoder, "decode", watched)
    monkeypatch.setattr("tandem.http.application.LARGE_BODY", 1000)
    padded = SMS.replace(b"hello", b"x" * 500)
    assert (await home.signed("POST", "/sms" + V, padded)).status == 202
    larger = SMS.replace(b"hello", b"x" * 2000)
    assert (await home.signed("POST", "/sms" + V, larger)).status == 202
    assert threads == [True, False]


async def test_a_reply_has_azures_headers(home: House) -> None:
    extra = {"x-ms-client-request-id": "abc-1", "Origin": "https://shop.example"}
    headers = (await home.signed("POST", "/sms" + V, SMS, headers=extra)).headers
    assert headers["api-supported-versions"] == "2021-03-07, 2026-01-23"
    assert headers["x-ms-client-request-id"] == "abc-1"
    assert headers["content-type"] == "application/json; charset=utf-8"
    assert headers["access-control-allow-origin"] == "*"
    assert "operation-id" in headers["access-control-expose-headers"]
    assert headers["x-processing-time"].endswith("ms")
    assert len(headers["ms-cv"]) == 24
    assert headers["server"] == "tandem"


async def test_a_client_request_id_that_could_harm_is_not_echoed(home: House) -> None:
    answer = await home.ask("GET", "/health", headers={"x-ms-client-request-id": "a\x0bb\udcff"})
    assert "x-ms-client-request-id" not in answer.headers


async def test_both_keys_are_taken(home: House) -> None:
    for key in (home.one.keys.primary, home.one.keys.secondary):
        assert (await home.signed("POST", "/sms" + V, SMS, key=key)).status == 202


@pytest.mark.promise("R23")
async def test_every_request_that_proves_nothing_gets_the_same_401(home: House) -> None:
    now, host, key = home.clock.now(), home.authority, home.one.keys.primary
    target = "/sms" + V

    def good(**changes: object) -> dict[str, str]:
        asked = {"host": host, "body": SMS, "key": key, "now": now, **changes}
        return {"Host": host, "Content-Type": "application/json", **sign("POST", target, **asked)}  # type: ignore[arg-type]

    def without(name: str) -> dict[str, str]:
        return {header: value for header, value in good().items() if header != name}

    signature = good()["Authorization"]
    bad = {
        "wrong key": good(key=b"x" * 64),
        "the other resource's key": good(key=home.other.keys.primary),
        "changed body": good(body=SMS.replace(b"hello", b"hellp")),
        "changed host": {**good(), "Host": "one.test"},
        "the other resource's host": {**good(), "Host": home.others_authority},
        "unknown host": {**good(host="unknown.test"), "Host": "unknown.test"},
        "old date": good(now=now - 301_000_000),
        "date ahead": good(now=now + 301_000_000),
        "no date": without("x-ms-date"),
        "no body hash": without("x-ms-content-sha256"),
        "no authorization": without("Authorization"),
        "body hash not signed": {**good(), "Authorization": signature.replace(";x-ms-content-sha256", "")},
        "host not signed": {**good(), "Authorization": signature.replace(";host", "")},
        "administration key": {**good(), "Authorization": f"Bearer {home.admin.reveal()}"},
        "stranger's keys": {**good(key=bytes(64), host="unknown.test"), "Host": "unknown.test"},
    }
    answers = {}
    for name, headers in bad.items():
        raw = request_bytes("POST", target, SMS, {**headers, "Connection": "close"})
        answers[name] = await ask_raw(home.server.port, raw)
    assert {name: answer.status for name, answer in answers.items()} == dict.fromkeys(bad, 401)
    assert {answer.body for answer in answers.values()} == {
        b'{"error":{"code":"Denied","message":"' + DENIED.encode() + b'"}}'
    }
    headers = [set(answer.headers) for answer in answers.values()]
    assert all(names == headers[0] for names in headers)
    assert headers[0] >= {"x-ms-error-code", "www-authenticate", "x-ms-request-id"}


async def test_a_request_without_a_host_is_malformed_or_unknown(home: House) -> None:
    signed = sign("POST", "/sms" + V, host="", body=SMS, key=home.one.keys.primary, now=home.clock.now())
    raw = request_bytes("POST", "/sms" + V, SMS, {"Connection": "close", **signed})
    assert (await ask_raw(home.server.port, raw)).status == 400  # RFC 9112 §3.2 asks for it
    assert (await ask_raw(home.server.port, raw.replace(b"HTTP/1.1", b"HTTP/1.0"))).status == 401


@pytest.mark.promise("R23")
async def test_only_the_resource_of_the_authority_is_tried(home: House, toys: Toys) -> None:
    answer = await home.signed(
        "POST", "/sms" + V, SMS, key=home.other.keys.primary, authority=home.others_authority
    )
    assert answer.status == 202
    assert toys.seen[0].resource == home.other.id


async def test_who_is_not_known_learns_nothing_of_paths_methods_and_versions(home: House) -> None:
    answers = [
        await home.ask(method, target, body)
        for method, target, body in (
            ("POST", "/sms" + V, SMS),
            ("POST", "/sms", b""),
            ("POST", "/sms?api-version=1", b"{"),
            ("PUT", "/sms" + V, b""),
            ("GET", "/nowhere", b""),
            ("GET", "/things/1" + V, b""),
            ("GET", "/chat", b""),
            ("GET", "/admin/things", b""),
            ("GET", "/admin/nowhere", b""),
            ("OPTIONS", "/sms", b""),
            ("GET", "/health/more", b""),
            ("GET", "/sms?a=%FF", b""),
            ("POST", "/small" + V, b"x" * 1000),
        )
    ]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1
    assert len({frozenset(answer.headers) - {"allow"} for answer in answers}) == 1
    assert not any("allow" in answer.headers for answer in answers)


@pytest.mark.parametrize(
    ("method", "target", "body", "status", "code"),
    [
        ("GET", "/nowhere", b"", 404, "NotFound"),
        ("GET", "/things" + V, b"", 404, "NotFound"),
        ("GET", "/things/%00" + V, b"", 404, "NotFound"),
        ("POST", "/sms", SMS, 400, "MissingApiVersionParameter"),
        ("POST", "/sms?api-version=", b"{", 400, "MissingApiVersionParameter"),
        ("POST", "/sms?api-version=2020-01-01", b"{", 400, "UnsupportedApiVersionValue"),
        ("PUT", "/sms?api-version=2020-01-01", b"", 400, "UnsupportedApiVersionValue"),
        ("PUT", "/sms" + V, b"", 405, "MethodNotAllowed"),
        ("OPTIONS", "/sms" + V, b"", 405, "MethodNotAllowed"),
        ("POST", "/things/1" + V, b"", 405, "MethodNotAllowed"),
        ("POST", "/things/1:play?api-version=2026-01-23", b"{", 400, "UnsupportedApiVersionValue"),
        ("POST", "/sms" + V, b"", 400, "BadRequest"),
        ("POST", "/sms" + V, b"{", 400, "BadRequest"),
        ("POST", "/sms" + V + "&a=%FF", SMS, 400, "BadRequest"),
        ("GET", "/things/1" + V, b"", 404, "NotFound"),
        ("GET", "/raise/conflict" + V, b"", 409, "Conflict"),
        ("GET", "/raise/away" + V, b"", 503, "ServiceUnavailable"),
        ("GET", "/raise/timeout" + V, b"", 500, "InternalServerError"),
        ("GET", "/raise/other" + V, b"", 500, "InternalServerError"),
        ("GET", "/admin/things", b"", 401, "Denied"),
        ("GET", "/chat" + V, b"", 401, "Denied"),
    ],
)
@pytest.mark.promise("Bad input")
async def test_a_known_caller_gets_the_documented_error(
    home: House, method: str, target: str, body: bytes, status: int, code: str
) -> None:
    answer = await home.signed(method, target, body)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)
    assert answer.headers["x-ms-error-code"] == code
    assert b"secret" not in answer.body


async def test_a_wrong_type_is_named_at_its_place(home: House) -> None:
    answer = await home.signed("POST", "/sms" + V, SMS.replace(b'"+2"', b"2"))
    assert answer.status == 400
    assert answer.json["error"]["target"] == "smsRecipients[0].to"


async def test_a_wrong_method_is_told_the_right_ones(home: House) -> None:
    answer = await home.signed("DELETE", "/things/1" + V)
    assert (answer.status, answer.headers["allow"]) == (405, "GET, PATCH")


async def test_a_wrong_content_type_is_415(home: House) -> None:
    assert (await home.signed("POST", "/sms" + V, SMS, content_type="text/plain")).status == 415
    assert (await home.signed("POST", "/sms" + V, SMS, content_type=None)).status == 415
    answer = await home.signed("PATCH", "/things/1" + V, b"{}", content_type=MERGE_PATCH)
    assert answer.status == 404


async def test_come_back_later_says_when(home: House) -> None:
    answer = await home.signed("GET", "/raise/away" + V)
    assert (answer.headers["retry-after"], answer.headers["retry-after-ms"]) == ("3", "2500")


@pytest.mark.parametrize(
    ("signed_as", "wire"),
    [
        ("/calls/aGk%3D%3D/participants/4%3A%2B1", "/calls/aGk==/participants/4:%2B1"),
        ("/calls/aGk==/participants/4:+1", "/calls/aGk%3D%3D/participants/4%3A%2B1"),
        ("/calls/aGk==/participants/4:+1", "/calls/aGk==/participants/4:+1"),
    ],
)
async def test_every_spelling_of_a_path_is_taken_and_a_plus_is_a_plus(
    home: House, signed_as: str, wire: str
) -> None:
    headers = sign(
        "GET", signed_as + V, host=home.authority, body=b"", key=home.one.keys.primary, now=home.clock.now()
    )
    answer = await home.ask("GET", wire + V, headers=headers)
    assert answer.status == 200
    assert answer.json["path"] == {"callId": "aGk==", "who": "4:+1"}


async def test_a_query_signed_as_javascript_does_is_taken(home: House) -> None:
    query = "?startTime=2026-01-01T00%3A00%3A00Z&name=New+York&api-version=2021-03-07"
    wire = "?startTime=2026-01-01T00:00:00Z&name=New%20York&api-version=2021-03-07"
    headers = sign(
        "GET",
        "/calls/a/participants/b" + query,
        host=home.authority,
        body=b"",
        key=home.one.keys.primary,
        now=home.clock.now(),
    )
    answer = await home.ask("GET", "/calls/a/participants/b" + wire, headers=headers)
    assert answer.status == 200
    assert answer.json["query"]["name"] == "New York"


async def test_a_users_token_counts_at_its_own_resource_alone(home: House) -> None:
    token = {"Authorization": f"Bearer alice@{home.one.id.hex()}"}
    answer = await home.ask("GET", "/chat" + V, headers=token)
    assert (answer.status, answer.json) == (200, {"user": "8:acs:x_alice"})
    assert (
        await home.ask("GET", "/chat" + V, headers={**token, "Host": home.others_authority})
    ).status == 401
    nobody = {"Authorization": f"Bearer alice@{bytes(16).hex()}", "Host": "unknown.test"}
    assert (await home.ask("GET", "/chat" + V, headers=nobody)).status == 401
    assert (await home.ask("GET", "/nowhere", headers=token)).status == 404


async def test_administrators_reach_as_far_as_their_role(home: House, toys: Toys) -> None:
    asked = {
        "see": ("GET", "/admin/things"),
        "do": ("POST", "/admin/things"),
        "bill": ("POST", "/admin/bills"),
    }
    allowed = {
        Role.OWNER: {"see", "do", "bill"},
        Role.OPERATOR: {"see", "do"},
        Role.BILLING: {"see", "bill"},
        Role.READ_ONLY: {"see"},
    }
    for role, may in allowed.items():
        key = (await home.store.write(AddAdminKey(role.value, role, home.clock.now()))).key.reveal()
        await home.directory.refresh()
        bearer = {"Authorization": f"Bearer {key}"}
        statuses = {
            name: (await home.ask(*request, headers=bearer)).status for name, request in asked.items()
        }
        assert statuses == {name: 200 if name in may else 403 for name in asked}
        assert toys.seen[-1].role is role
        assert (await home.ask("GET", "/admin/nowhere", headers=bearer)).status == 404
        assert (await home.ask("POST", "/sms" + V, SMS, headers=bearer)).status == 401


async def test_health_asks_for_nothing(home: House) -> None:
    answer = await home.ask("GET", "/health", headers={"Host": "whoever"})
    assert (answer.status, answer.body) == (200, b"fine\n")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_a_preflight_is_answered_without_authentication_and_tells_no_paths(home: House) -> None:
    asked = {
        "Origin": "https://shop.example",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,x-ms-date",
    }
    known, unknown = [await home.ask("OPTIONS", path, headers=asked) for path in ("/sms", "/nowhere")]
    assert (known.status, known.headers["access-control-allow-headers"]) == (204, "authorization,x-ms-date")
    assert "POST" in known.headers["access-control-allow-methods"]
    assert set(known.headers) == set(unknown.headers)
    assert unknown.status == 204


async def test_a_body_beyond_the_routes_ceiling_is_413(home: House) -> None:
    assert (await home.signed("POST", "/small" + V, b'{"name":"' + b"x" * 200 + b'"}')).status == 413
    assert (await home.signed("POST", "/small" + V, b'{"name":"x"}')).status == 200
    assert (await home.signed("POST", "/sms" + V, b" " * 300_000)).status == 413


async def test_a_chunked_body_is_taken_up_to_the_ceiling(home: House) -> None:
    for body, status in ((b'{"name":"x"}', 200), (b'{"name":"' + b"x" * 200 + b'"}', 413)):
        headers = {
            "Host": home.authority,
            "Content-Type": "application/json",
            "Transfer-Encoding": "chunked",
            "Connection": "close",
            **sign(
                "POST",
                "/small" + V,
                host=home.authority,
                body=body,
                key=home.one.keys.primary,
                now=home.clock.now(),
            ),
        }
        head = b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items())
        raw = f"POST /small{V} HTTP/1.1\r\n".encode() + head + f"\r\n{len(body):x}\r\n".encode()
        assert (await ask_raw(home.server.port, raw + body + b"\r\n0\r\n\r\n")).status == status


async def test_an_expectation_of_100_continue_is_met_after_authentication(home: House) -> None:
    signed = sign(
        "POST", "/sms" + V, host=home.authority, body=SMS, key=home.one.keys.primary, now=home.clock.now()
    )
    headers = {
        "Host": home.authority,
        "Content-Type": "application/json",
        "Expect": "100-continue",
        "Content-Length": str(len(SMS)),
        "Connection": "close",
    }
    for authorization, first in ((signed, 100), ({}, 401)):
        reader, writer = await asyncio.open_connection("127.0.0.1", home.server.port)
        writer.write(
            request_bytes("GET", "/sms" + V, b"", {**headers, **authorization}).replace(b"GET", b"POST", 1)
        )
        answer = await asyncio.wait_for(read_answer(reader), 5)
        assert answer.status == first
        if first == 100:
            writer.write(SMS)
            assert (await asyncio.wait_for(read_answer(reader), 5)).status == 202
        writer.close()


async def test_nothing_of_a_body_is_read_for_a_stranger(home: House) -> None:
    raw = request_bytes("POST", "/sms" + V, b"", {"Host": home.authority}).replace(
        b"Content-Length: 0", b"Content-Length: 100000"
    )
    answer = await ask_raw(home.server.port, raw)  # the body never comes, the answer does
    assert (answer.status, answer.headers["connection"]) == (401, "close")


async def test_a_body_that_does_not_come_in_time_is_408(toys: Toys, tmp_path: Path) -> None:
    async with house(toys.routes(), tmp_path, settings=Settings(body_seconds=0.05, tls=False)) as home:
        signed = sign(
            "POST", "/sms" + V, host=home.authority, body=SMS, key=home.one.keys.primary, now=home.clock.now()
        )
        whole = request_bytes("POST", "/sms" + V, SMS, {"Host": home.authority, **signed})
        answer = await ask_raw(home.server.port, whole[:-5])
        assert (answer.status, answer.json["error"]["code"]) == (408, "RequestTimeout")
        assert answer.headers["connection"] == "close"


async def test_a_resource_beyond_its_rate_gets_429_and_the_other_does_not(toys: Toys, tmp_path: Path) -> None:
    settings = Settings(limits=RequestLimits(rate=0.001, burst=2, concurrent=10), tls=False)
    async with house(toys.routes(), tmp_path, settings=settings) as home:
        for status in (202, 202, 429, 429):
            answer = await home.signed("POST", "/sms" + V, SMS)
            assert answer.status == status
        assert answer.headers["retry-after"] == "1000" or int(answer.headers["retry-after"]) > 900
        assert answer.json["error"]["innererror"] == {"code": "http.requests_per_second"}
        theirs = await home.signed(
            "POST", "/sms" + V, SMS, key=home.other.keys.primary, authority=home.others_authority
        )
        assert theirs.status == 202
        # Wrong keys use up nobody's limit.
        assert (await home.signed("POST", "/sms" + V, SMS, key=b"x" * 64)).status == 401


async def test_too_many_requests_at_a_time_get_429(toys: Toys, tmp_path: Path) -> None:
    settings = Settings(limits=RequestLimits(concurrent=1), tls=False)
    async with house(toys.routes(), tmp_path, settings=settings) as home:
        waiting = asyncio.create_task(home.signed("GET", "/wait" + V))
        await asyncio.wait_for(toys.entered.wait(), 5)
        answer = await home.signed("POST", "/sms" + V, SMS)
        assert answer.json["error"]["innererror"] == {"code": "http.concurrent_requests"}
        assert home.registry.get_sample_value("tandem_http_requests_in_flight") == 1
        toys.leave.set()
        assert (await waiting).status == 200
        assert (await home.signed("POST", "/sms" + V, SMS)).status == 202
        assert home.registry.get_sample_value("tandem_http_requests_in_flight") == 0


async def test_a_drain_ends_running_requests_and_accepts_none(toys: Toys, tmp_path: Path) -> None:
    async with house(toys.routes(), tmp_path) as home:
        port = home.server.port
        idle_reader, idle_writer = await asyncio.open_connection("127.0.0.1", port)
        waiting = asyncio.create_task(home.signed("GET", "/wait" + V))
        await asyncio.wait_for(toys.entered.wait(), 5)
        draining = asyncio.create_task(home.server.drain(5))
        assert await asyncio.wait_for(idle_reader.read(), 5) == b""
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)
        toys.leave.set()
        assert (await waiting).status == 200
        await asyncio.wait_for(draining, 5)
        assert home.server.connections == 0
        idle_writer.close()


async def test_connections_beyond_the_ceiling_are_closed(toys: Toys, tmp_path: Path) -> None:
    async with house(toys.routes(), tmp_path, limits=ServerLimits(connections=1)) as home:
        first_reader, first_writer = await asyncio.open_connection("127.0.0.1", home.server.port)
        health = request_bytes("GET", "/health", b"", {"Host": "x"})
        first_writer.write(health)
        assert (await read_answer(first_reader)).status == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", home.server.port)
        assert await asyncio.wait_for(reader.read(), 5) == b""
        first_writer.write(health)
        assert (await read_answer(first_reader)).status == 200
        assert home.registry.get_sample_value("tandem_http_connections_refused_total") == 1
        first_writer.close()
        writer.close()


async def test_requests_are_counted_by_operation_never_by_path(home: House) -> None:
    await home.signed("POST", "/sms" + V, SMS)
    await home.ask("GET", "/whatever/somebody/types")
    count = home.registry.get_sample_value
    assert count("tandem_http_requests_total", {"operation": "sms.send", "status": "202"}) == 1
    assert count("tandem_http_requests_total", {"operation": "unmatched", "status": "401"}) == 1
    assert count("tandem_http_request_seconds_count", {"operation": "sms.send"}) == 1
    assert count("tandem_http_errors_total", {"kind": "unauthorized"}) == 1


@pytest.mark.promise("R24")
async def test_foreign_ids_look_absent_by_the_route_table(home: House, toys: Toys) -> None:
    toys.things = {home.one.id: {"mine": "x"}, home.other.id: {"theirs": "x"}}
    mine = await home.signed("GET", "/things/mine" + V)
    assert mine.status == 200

    async def ask(method: str, target: str, body: bytes, headers: object) -> object:
        return await home.signed(method, target, body, headers=headers)  # type: ignore[arg-type]

    routes = [route for route in toys.routes() if route.operation.startswith("things.")]
    given = Ids(foreign={"thingId": "theirs"}, absent={"thingId": "nobody"})
    ids = {
        "things.get": given,
        "things.change": Ids(given.foreign, given.absent, b"{}"),
        "things.play": Ids(given.foreign, given.absent, b"{}"),
    }
    assert await assert_foreign_ids_look_absent(routes, ids, ask) == 3  # type: ignore[arg-type]
    toys.leaky = True
    with pytest.raises(AssertionError, match="can be told"):
        await assert_foreign_ids_look_absent(routes, ids, ask)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match=r"no ids for.*things\.play"):
        await assert_foreign_ids_look_absent(routes, {"things.get": given, "things.change": given}, ask)  # type: ignore[arg-type]
    toys.things[home.one.id]["theirs"] = "x"
    with pytest.raises(AssertionError, match="gives 200"):
        await assert_foreign_ids_look_absent(routes, ids, ask)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.promise("R27")
async def test_no_key_gets_into_the_log(home: House, form: Literal["json", "console"]) -> None:
    out = io.StringIO()
    structlog.configure(
        processors=_renderers(form, out),
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.WriteLoggerFactory(out),
    )
    try:
        await home.signed("POST", "/sms" + V, SMS)
        await home.signed("POST", "/sms" + V, SMS, key=b"x" * 64)
        await home.ask("GET", "/admin/things", headers={"Authorization": f"Bearer {home.admin.reveal()}"})
        await home.ask("GET", "/admin/things", headers={"Authorization": "Bearer canary-token"})
        await home.signed("GET", "/raise/other" + V)
    finally:
        structlog.reset_defaults()
    keys = (home.one.keys.primary, home.one.keys.secondary)
    canaries = [
        home.admin.reveal(),
        "canary-token",
        "Signature=",
        *(base64.b64encode(key).decode() for key in keys),
        *(repr(key)[2:20] for key in keys),
    ]
    assert "http.refused" in out.getvalue()
    assert "RuntimeError" in out.getvalue()
    assert [canary for canary in canaries if canary in out.getvalue()] == []

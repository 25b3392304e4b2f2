"""ACS Identity over HTTP: what its clients do differently, and what garbage gets."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote, unquote

import pytest
import pytest_asyncio

from telephony.identity.api import DETAILED, VERSIONS
from telephony.kernel.clock import SystemClock
from telephony.kernel.http.signature import sign
from telephony.kernel.ids import to_text
from tests.support.http import Answer
from tests.support.inside import Inside, Tenant, inside

pytestmark = [pytest.mark.wire, pytest.mark.asyncio(loop_scope="module")]

V = "?api-version=2023-10-01"
NEW = "?api-version=2025-06-30"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Inside]:
    async with inside(tmp_path_factory.mktemp("identity") / "var") as running:
        yield running


async def post(
    home: Inside, path: str, body: object = None, *, version: str = V, tenant: Tenant | None = None
) -> Answer:
    raw = b"" if body is None else json.dumps(body).encode()
    return await home.sign_and_ask("POST", path + version, raw, tenant=tenant)


async def token_of(home: Inside, tenant: Tenant | None = None) -> tuple[str, str]:
    made = await post(home, "/identities", {"createTokenWithScopes": ["chat"]}, tenant=tenant)
    return made.json["identity"]["id"], made.json["accessToken"]["token"]


async def me(home: Inside, token: str, host: str | None = None) -> Answer:
    headers = {"Authorization": f"Bearer {token}"}
    return await home.ask("GET", "/identity/me", b"", {**headers, **({"Host": host} if host else {})})


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_user_is_made_in_every_version(home: Inside, version: str) -> None:
    made = await post(home, "/identities", {"customId": version}, version=f"?api-version={version}")
    assert made.status == 201
    assert set(made.json) == {"identity"}
    assert set(made.json["identity"]) == ({"id", "customId"} if version in DETAILED else {"id"})
    assert made.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("body", [None, {}, {"createTokenWithScopes": []}, {"createTokenWithScopes": None}])
async def test_without_scopes_there_is_no_token(home: Inside, body: object) -> None:
    made = await post(home, "/identities", body)
    assert (made.status, set(made.json)) == (201, {"identity"})


@pytest.mark.parametrize(
    ("body", "target"),
    [
        ({"createTokenWithScopes": "chat"}, "createTokenWithScopes"),
        ({"createTokenWithScopes": ["chat", 1]}, "createTokenWithScopes[1]"),
        ({"createTokenWithScopes": ["Chat"]}, "createTokenWithScopes"),
        ({"expiresInMinutes": 59}, "expiresInMinutes"),
        ({"expiresInMinutes": 1441}, "expiresInMinutes"),
        ({"expiresInMinutes": "60"}, "expiresInMinutes"),
        ({"expiresInMinutes": 60.5}, "expiresInMinutes"),
        ({"expiresInMinutes": 10**30}, "expiresInMinutes"),
        ({"customId": ""}, "customId"),
        ({"customId": "x" * 257}, "customId"),
        ({"customId": "a\u001b[31mb"}, "customId"),
        ([], None),
    ],
)
async def test_a_wrong_body_is_refused_at_its_place(home: Inside, body: object, target: str | None) -> None:
    answer = await post(home, "/identities", body)
    error = answer.json["error"]
    assert (answer.status, error["code"], error.get("target")) == (400, "BadRequest", target)
    assert answer.headers["x-ms-error-code"] == "BadRequest"


async def test_a_token_needs_scopes(home: Inside) -> None:
    user, _ = await token_of(home)
    path = f"/identities/{quote(user, safe='')}/:issueAccessToken"
    for body in (None, {}, {"scopes": []}, {"scopes": None}, {"scopes": ["sms"]}):
        answer = await post(home, path, body)
        assert answer.status == 400, body


async def test_an_id_may_be_spelled_and_signed_as_clients_do(home: Inside) -> None:
    user, _ = await token_of(home)
    body = b'{"scopes":["chat"]}'
    encoded = f"/identities/{quote(user, safe='')}/:issueAccessToken{V}"
    plain = unquote(encoded)
    for signed, sent in ((encoded, encoded), (plain, plain), (encoded, plain), (plain, encoded)):
        headers = sign(
            "POST", signed, host=home.one.authority, body=body, key=home.one.key, now=SystemClock().now()
        )
        answer = await home.ask("POST", sent, body, {"Content-Type": "application/json", **headers})
        assert answer.status == 200, (signed, sent)
        assert set(answer.json) == {"token", "expiresOn"}


async def test_a_user_shows_its_custom_id_and_last_token_in_new_versions(home: Inside) -> None:
    made = await post(home, "/identities", {"customId": "row-17"}, version=NEW)
    user = made.json["identity"]["id"]
    path = f"/identities/{quote(user, safe='')}"
    assert (await home.sign_and_ask("GET", path + NEW)).json == {"id": user, "customId": "row-17"}
    await post(home, path + "/:issueAccessToken", {"scopes": ["voip"]})
    assert set((await home.sign_and_ask("GET", path + NEW)).json) == {"id", "customId", "lastTokenIssuedAt"}
    assert (await home.sign_and_ask("GET", path + V)).json["error"]["code"] == "UnsupportedApiVersionValue"
    again = await post(home, "/identities", {"customId": "row-17"}, version=NEW)
    assert again.json["identity"]["id"] == user


async def test_whose_token_it_is_is_told_to_whoever_holds_it(home: Inside) -> None:
    user, token = await token_of(home)
    answer = await me(home, token)
    assert answer.status == 200
    assert (answer.json["id"], answer.json["scopes"]) == (user, ["chat"])
    assert answer.json["resourceId"] == to_text(home.one.id)
    assert answer.headers["cache-control"] == "no-store"


async def test_a_token_counts_at_its_own_resources_authority_alone(home: Inside) -> None:
    _, token = await token_of(home)
    _, theirs = await token_of(home, home.other)
    refused = [
        await me(home, token, home.other.authority),
        await me(home, theirs),
        await me(home, token, "stranger.example:8443"),
        await me(home, home.admin_key),
        await me(home, "x"),
        await home.ask("GET", "/identity/me"),
        await home.ask("GET", "/identity/me", b"", {"Authorization": f"HMAC-SHA256 {token}"}),
        await home.sign_and_ask("GET", "/identity/me"),
    ]
    assert {answer.status for answer in refused} == {401}
    assert len({answer.body for answer in refused}) == 1
    assert (await me(home, theirs, home.other.authority)).status == 200


async def test_a_users_token_opens_no_other_door(home: Inside) -> None:
    _, token = await token_of(home)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for method, target in (
        ("POST", "/identities" + V),
        ("POST", "/sms?api-version=2021-03-07"),
        ("GET", "/admin/resources"),
        ("GET", "/metrics"),
    ):
        assert (await home.ask(method, target, b"{}" if method == "POST" else b"", headers)).status == 401


async def test_each_authority_publishes_its_own_keys(home: Inside) -> None:
    await token_of(home)
    await token_of(home, home.other)
    ours = await home.ask("GET", "/.well-known/jwks.json")
    theirs = await home.ask("GET", "/.well-known/jwks.json", b"", {"Host": home.other.authority})
    kids = [{key["kid"] for key in answer.json["keys"]} for answer in (ours, theirs)]
    assert kids[0]
    assert kids[1]
    assert not kids[0] & kids[1]
    assert ours.headers["cache-control"] == "public, max-age=300"
    assert not any("d" in key for key in ours.json["keys"])
    stranger = await home.ask("GET", "/.well-known/jwks.json", b"", {"Host": "stranger.example"})
    assert stranger.status == 404


@pytest.mark.parametrize(
    ("path", "signed"),
    [
        ("/teamsUser/:exchangeAccessToken", True),
        ("/access/entra/:exchangeAccessToken", False),
        ("/access/teamsExtension/:exchangeAccessToken", False),
    ],
)
async def test_microsofts_tokens_are_not_exchanged(home: Inside, path: str, signed: bool) -> None:
    body = b'{"token":"t","appId":"a","userId":"u"}'
    headers = {"Authorization": "Bearer eyJ.of.Entra", "Content-Type": "application/json"}
    target = path + NEW
    answer = await (
        home.sign_and_ask("POST", target, body) if signed else home.ask("POST", target, body, headers)
    )
    assert (answer.status, answer.json["error"]["code"]) == (501, "NotImplemented")
    assert "POST /identities" in answer.json["error"]["message"]


async def test_administration_pages_through_users(home: Inside) -> None:
    made = {(await post(home, "/identities", tenant=home.other)).json["identity"]["id"] for _ in range(5)}
    path: str | None = f"/admin/resources/{to_text(home.other.id)}/users?top=2"
    found: list[dict[str, Any]] = []
    pages = 0
    while path is not None:
        page = (await home.administer("GET", path)).json
        assert len(page["value"]) <= 2
        found += page["value"]
        path, pages = page.get("nextLink"), pages + 1
    assert made <= {each["id"] for each in found}
    assert len(found) == len({each["id"] for each in found})
    assert pages == (len(found) + 1) // 2
    wrong = f"/admin/resources/{to_text(home.other.id)}/users?continuation=wrong"
    assert (await home.administer("GET", wrong)).status == 400


async def test_only_an_owner_rotates_keys(home: Inside) -> None:
    path = f"/admin/resources/{to_text(home.one.id)}/tokenKeys:rotate"
    (route,) = [each for each in home.gateway.routes if each.operation == "admin.token_keys.rotate"]
    assert [role.value for role in route.roles] == ["owner"]
    assert (await home.administer("POST", path, b'{"endOld":"yes"}')).status == 400
    assert (await home.administer("POST", path, b'{"all":true}')).status == 400
    _, token = await token_of(home)
    assert (await home.administer("POST", path)).status == 200
    assert (await me(home, token)).status == 200
    assert (await home.administer("POST", path, b'{"endOld":true}')).status == 200
    assert (await me(home, token)).status == 401
    keys = (await home.administer("GET", path.removesuffix(":rotate"))).json["value"]
    assert [key["state"] for key in keys] == ["signing"]

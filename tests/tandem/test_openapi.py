"""The OpenAPI document of the administration API: valid, complete, and what the gateway really answers."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate

from tandem.openapi import administration, document
from tandem.reference import every_route
from telephony.kernel.http.route import Role, Route
from telephony.kernel.ids import new_id, to_text
from telephony.kernel.secret import Secret
from tests.support.administrator import Ask, administrator
from tests.support.clock import START
from tests.support.inside import Inside, inside
from tests.support.schemas import body_of, path_of

pytestmark = pytest.mark.wire


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[Inside]:
    async with inside(tmp_path / "var", http__rate="1000000", log__level="error") as running:
        yield running


def test_the_document_of_every_route_is_valid_and_says_everything() -> None:
    own = administration(every_route())
    whole = document(own)
    validate(whole)
    for route in own:
        operation = whole["paths"][route.template][route.method.lower()]
        assert operation["operationId"] == route.operation
        assert operation["summary"] == route.summary != ""
        assert operation["security"] == [{"adminKey": [role.value for role in route.allowed()]}]
        assert ("requestBody" in operation) == (route.body is not None)
        good = operation["responses"][str(route.reply_status)]
        assert ("content" in good) == (route.reply_status != 204), f"{route.operation} has no reply type"
        assert operation["responses"]["401"] == {"$ref": "#/components/responses/Error"}
    assert len({route.operation for route in own}) == len(own)


def test_the_reference_and_the_gateway_know_the_same_operations(tmp_path: Path) -> None:
    named = {route.operation for route in administration(every_route())}
    assert "admin.openapi" in named
    assert "admin.audit.list" in named


def test_a_secret_is_a_password_and_anything_unknown_is_a_mistake() -> None:
    class Holder(msgspec.Struct):
        word: Secret

    class Unknown(msgspec.Struct):
        thing: Path

    route = administration(every_route())[0]
    fields = {name: getattr(route, name) for name in type(route).__slots__}
    told = document([type(route)(**{**fields, "reply": Holder})])
    assert told["components"]["schemas"]["Holder"]["properties"]["word"]["format"] == "password"
    with pytest.raises(TypeError):
        document([type(route)(**{**fields, "reply": Unknown})])


async def test_the_served_document_is_whole_and_every_answer_is_as_it_says(home: Inside) -> None:
    answer = await home.administer("GET", "/admin/openapi.json")
    assert answer.status == 200
    served: dict[str, Any] = answer.json
    own = administration(home.gateway.routes)
    assert {(path, method.upper()) for path, item in served["paths"].items() for method in item} == {
        (route.template, route.method) for route in own
    }
    assert served == msgspec.json.decode(msgspec.json.encode(document(own)))
    values = {"resource": to_text(home.one.id)}
    async with administrator(home) as ask:
        assert await _walk(own, served, values, ask) >= 10


async def _walk(own: list[Route], served: dict[str, Any], values: dict[str, str], ask: Ask) -> int:
    good = 0
    for route in own:
        target = path_of(route, values, to_text(new_id(START)))
        answer = await ask(route.method, target, body_of(route))
        operation = served["paths"][route.template][route.method.lower()]
        told = operation["responses"].get(str(answer.status))
        assert told is not None, f"{route.operation} answered {answer.status}, which it does not tell"
        if "$ref" in told:
            told = served["components"]["responses"]["Error"]
        if "content" not in told:
            assert answer.body == b"", route.operation
            continue
        ((media, content),) = told["content"].items()
        assert answer.headers["content-type"].partition(";")[0] == media, route.operation
        schema = {**content["schema"], "components": served["components"]}
        said = answer.json if media == "application/json" else answer.body.decode()
        Draft202012Validator(schema).validate(said)
        good += answer.status < 300
    return good


async def test_every_role_may_do_what_the_document_says_and_nothing_else(home: Inside) -> None:
    keys = {Role.OWNER: home.admin_key}
    for role in (Role.OPERATOR, Role.BILLING, Role.READ_ONLY):
        body = msgspec.json.encode({"name": role.value, "role": role.value})
        keys[role] = (await home.administer("POST", "/admin/keys", body)).json["key"]
    served = (await home.administer("GET", "/admin/openapi.json")).json
    own = administration(home.gateway.routes)
    allowed = {
        route.operation: served["paths"][route.template][route.method.lower()]["security"][0]["adminKey"]
        for route in own
    }
    refused = 0
    async with administrator(home) as ask:
        for route in own:
            for role in set(Role) - set(allowed[route.operation]):
                # Of a thing that does not exist: were it let in, nothing would happen.
                target = path_of(route, {}, to_text(new_id(START)))
                answer = await ask(route.method, target, body_of(route), keys[role])
                assert answer.status == 403, f"{role} may {route.operation}"
                refused += 1
    assert refused >= 20
    for route in own:
        assert Role.OWNER in allowed[route.operation]
        assert route.method != "GET" or len(allowed[route.operation]) == len(Role), route.operation

"""The OpenAPI 3.1 document of the administration API, made from the routes themselves.

Each route brings its path, roles, body and reply types; msgspec turns those into JSON Schema 2020-12, which
is what OpenAPI 3.1 takes. Nothing is written by hand, so that the document cannot say something else than
the code.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

import msgspec

from tandem import __version__
from telephony.kernel.http.errors import ErrorBody
from telephony.kernel.http.route import Auth, Reply, Request, Route
from telephony.kernel.secret import Secret

PATH: Final = "/admin/openapi.json"
VERSION: Final = "3.1.0"

SCHEME: Final = "adminKey"
REFERENCE: Final = "#/components/schemas/{name}"
ERROR: Final = {"$ref": "#/components/responses/Error"}
JSON: Final = "application/json"

Document = dict[str, Any]

_PARAMETER: Final = re.compile(r"\{(\w+)\}")


def administration(routes: Iterable[Route]) -> list[Route]:
    """Return the routes that the document is about, in order of path and method."""
    own = [route for route in routes if route.auth is Auth.ADMIN and route.template.startswith("/admin/")]
    return sorted(own, key=lambda route: (route.template, route.method))


def document(routes: Iterable[Route]) -> Document:
    """Return the document."""
    own = administration(routes)
    types: list[Any] = [ErrorBody]
    for route in own:
        types += [kind for kind in (route.body, route.reply, *(each.kind for each in route.query)) if kind]
    unique = {repr(kind): kind for kind in types}
    schemas, components = msgspec.json.schema_components(
        unique.values(), schema_hook=_schema_of, ref_template=REFERENCE
    )
    known = dict(zip(unique, map(_ecma, schemas), strict=True))
    paths: dict[str, Document] = {}
    for route in own:
        paths.setdefault(route.template, {})[route.method.lower()] = _operation(route, known)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Tandem administration",
            "version": __version__,
            "description": "What Azure Communication Services has no API for: resources, keys, webhooks,"
            " carriers, limits. `tandem` on the command line is a client of this API.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name} for name in sorted({_tag(route) for route in own})],
        "paths": paths,
        "components": {
            "schemas": _ecma(components),
            "responses": {
                "Error": {
                    "description": "What went wrong: `code` for programs, `message` for people.",
                    "headers": {"x-ms-error-code": {"schema": {"type": "string"}}},
                    "content": {JSON: {"schema": known[repr(ErrorBody)]}},
                }
            },
            "securitySchemes": {
                SCHEME: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of administration (`tandem admin-key add`). The names beside it"
                    " are the roles that may call the operation.",
                }
            },
        },
    }


def routes(document: Document) -> list[Route]:
    """Return the operation that serves the document."""
    encoded = msgspec.json.encode(document)

    async def serve(_: Request[None]) -> Reply:
        return Reply(200, encoded, content_type="application/json; charset=utf-8")

    return [
        Route(
            "admin.openapi",
            "GET",
            PATH,
            serve,
            Auth.ADMIN,
            summary="This API as an OpenAPI 3.1 document",
            reply=dict[str, Any],
        )
    ]


def with_document(own: Sequence[Route]) -> list[Route]:
    """Return `own` and the route that serves the document of them all, itself included."""
    return [*own, *routes(document([*own, *routes({})]))]


def _operation(route: Route, schemas: Mapping[str, Document]) -> Document:
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(route.template)
    ]
    parameters += [
        {
            "name": each.name,
            "in": "query",
            "required": each.required,
            "description": each.meaning,
            "schema": schemas[repr(each.kind)],
        }
        for each in route.query
    ]
    operation: Document = {
        "operationId": route.operation,
        "tags": [_tag(route)],
        "summary": route.summary,
        "security": [{SCHEME: [role.value for role in route.allowed()]}],
        "responses": _responses(route, schemas),
    }
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        schema = schemas[repr(route.body)]
        operation["requestBody"] = {
            "required": any(field.required for field in msgspec.structs.fields(route.body)),
            "content": {media: {"schema": schema} for media in route.media_types},
        }
    return operation


def _responses(route: Route, schemas: Mapping[str, Document]) -> Document:
    good: Document = {"description": HTTPStatus(route.reply_status).phrase}
    if route.reply is not None:
        good["content"] = {route.reply_type: {"schema": schemas[repr(route.reply)]}}
    found: Document = {str(route.reply_status): good}
    return found | {str(status): ERROR for status in sorted(errors_of(route))} | {"default": ERROR}


def errors_of(route: Route) -> set[int]:
    """Return the statuses of the errors that an operation may answer."""
    errors = {400, 401, 403, 503}
    if "{" in route.template:
        errors.add(404)
    if route.method != "GET":
        errors.add(409)
    if route.body is not None:
        errors |= {413, 415}
    return errors


def _tag(route: Route) -> str:
    """Return the group of an operation: the second word of its name under `admin`, else the first."""
    words = route.operation.split(".")
    return words[1] if words[0] == "admin" and len(words) > 1 else words[0]


def _schema_of(kind: type) -> Document:
    if kind is Secret:
        return {"type": "string", "format": "password"}
    raise NotImplementedError(kind)  # what msgspec asks of a hook for a type that it does not know


def _ecma(schema: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a schema whose patterns are spelled as ECMA-262 has them, which JSON Schema asks for."""
    if isinstance(schema, dict):
        return {
            name: each.replace(r"\A", "^").replace(r"\Z", "$")
            if name == "pattern" and isinstance(each, str)
            else _ecma(each)
            for name, each in schema.items()
        }
    return [_ecma(each) for each in schema] if isinstance(schema, list | tuple) else schema

"""R24 from a route table: another resource's id in a path looks exactly like one that does not exist."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from telephony.kernel.http.route import Auth, Route
from tests.support.http import Answer

PARAMETER = re.compile(r"\{(\w+)\}")

OWN_EACH_TIME = frozenset({"x-ms-request-id", "ms-cv", "date", "x-processing-time", "content-length"})
"""Reply headers that differ from request to request, or with the length of the id that was quoted."""


TRACE = re.compile(r"\b00-[0-9a-f]{32}-[0-9a-f]{16}-00\b")
"""The trace id of a problem (RFC 7807): every answer's own too."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Values of the path parameters of one operation, by name: of a thing that is another resource's, and of
    one that does not exist. Both must have the same form."""

    foreign: Mapping[str, str]
    absent: Mapping[str, str]
    body: bytes = b""
    """A body that the operation takes."""
    headers: Mapping[str, str] = field(default_factory=dict)


Ask = Callable[[str, str, bytes, Mapping[str, str]], Awaitable[Answer]]
"""(method, target, body, headers) → the answer to a request properly signed by a resource of ours."""


NOBODYS = frozenset({"countryCode"})
"""Parameters that name nothing of anybody's."""

MADE_BY_ASKING = frozenset({"numbers.change_reservation", "admin.sip_trunks.enable"})
"""Operations whose client chooses the id: under another resource it is another thing, and is made.
tests/tandem/test_gateway_numbers.py shows that the first one's stays as it is; a SIP trunk's name is enabled
for one resource only (tests/telephony/routing/sip_configuration/test_verbs.py)."""


def routes_with_ids(routes: Iterable[Route]) -> list[Route]:
    """Return the routes that R24 speaks of: a resource's or a user's, with an id in the path."""
    return [
        route
        for route in routes
        if route.auth in (Auth.HMAC, Auth.USER)
        and set(PARAMETER.findall(route.template)) - NOBODYS
        and route.operation not in MADE_BY_ASKING
    ]


async def assert_foreign_ids_look_absent(routes: Iterable[Route], ids: Mapping[str, Ids], ask: Ask) -> int:
    """Ask every route with path parameters, in every api-version, for a foreign id and for an absent one;
    both answers must be the same 404. Return how many routes were walked.

    `ids` is by operation: a route without an entry fails, so that no new one is forgotten.
    """
    walked = routes_with_ids(routes)
    missing = [route.operation for route in walked if route.operation not in ids]
    assert not missing, f"R24 has no ids for {missing}"
    for route in walked:
        given = ids[route.operation]
        for version in route.versions or ("",):
            foreign = await _asked(ask, route, version, given.foreign, given)
            absent = await _asked(ask, route, version, given.absent, given)
            where = f"{route.method} {route.template} {version}"
            assert foreign.status == 404, (
                f"{where}: a foreign id gives {foreign.status}: {foreign.body[:200]!r}"
            )
            assert foreign == absent, f"{where}: a foreign id can be told from an absent one"
    return len(walked)


async def _asked(ask: Ask, route: Route, version: str, values: Mapping[str, str], given: Ids) -> Answer:
    """Return the answer without what is every answer's own; ids that it quotes become their names."""
    path = PARAMETER.sub(lambda match: _quoted(values[match[1]]), route.template)
    target = f"{path}?api-version={version}" if version else path
    headers = {"Content-Type": route.media_types[0], **given.headers} if given.body else given.headers
    answer = await ask(route.method, target, given.body, headers)
    body = TRACE.sub("{trace}", answer.body.decode())
    for name, value in values.items():
        body = body.replace(value, "{" + name + "}")
    kept = {name: value for name, value in answer.headers.items() if name not in OWN_EACH_TIME}
    return Answer(answer.status, kept, body.encode())


def _quoted(value: str) -> str:
    return quote(value, safe="")

"""ACS SIP routing (SipRoutingClient, 2023-03-01 and the previews)."""

from typing import Final

from msgspec import UNSET

from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.route import JSON, MERGE_PATCH, Reply, Request, Route
from telephony.resources.audit import actor_of
from telephony.routing.sip_configuration.verbs import PATH, SipRouting
from telephony.routing.sip_configuration.wire import (
    EXPAND_HEALTH,
    EXTENDED,
    VERSIONS,
    RoutesForNumber,
    SipConfigurationUpdate,
    route_view,
    shown,
    unknown_in,
)

MAX_SIP_BODY: Final = 2 << 20
"""Bytes of a request: 250 routes with all their texts are 600 kB, and each may name 250 trunks."""


class _Sip:
    """The handlers."""

    def __init__(self, sip: SipRouting) -> None:
        self._sip = sip

    async def get(self, request: Request[None]) -> Reply:
        expand = request.query.get("$expand") or request.query.get("expand")
        if expand and (request.version not in EXTENDED or expand != EXPAND_HEALTH):
            known = f"expected {EXPAND_HEALTH}" if request.version in EXTENDED else "this version has none"
            raise InvalidRequest(f"$expand: {known}.", target="$expand")
        found = await self._sip.get(request.resource)
        health = self._sip.health(request.resource, found) if expand else None
        return Reply(200, shown(found, request.version, health))

    async def update(self, request: Request[SipConfigurationUpdate]) -> Reply:
        _refuse_unknown(request)
        after = await self._sip.update(request.resource, request.body, actor_of(request))
        return Reply(200, shown(after, request.version))

    async def test_routes_with_number(self, request: Request[SipConfigurationUpdate]) -> Reply:
        written = request.query.get("targetPhoneNumber")
        if not written:
            raise InvalidRequest("targetPhoneNumber: It is required.", target="targetPhoneNumber")
        if written[0] == " ":  # a plus that was not escaped
            written = "+" + written[1:]
        body = request.body
        draft = None if body.domains is body.trunks is body.routes is UNSET else body
        found = await self._sip.matching(request.resource, written, draft)
        views = tuple(route_view(route, request.version) for route in found)
        return Reply(200, RoutesForNumber(views))


def routes(sip: SipRouting) -> list[Route]:
    """Return the operations of ACS SIP routing."""
    api = _Sip(sip)
    return [
        Route(
            "sip.get",
            "GET",
            PATH,
            api.get,
            versions=VERSIONS,
            summary="The resource's own trunks, routes and domains.",
        ),
        Route(
            "sip.update",
            "PATCH",
            PATH,
            api.update,
            versions=VERSIONS,
            body=SipConfigurationUpdate,
            media_types=(MERGE_PATCH, JSON),
            max_body=MAX_SIP_BODY,
            summary="Change trunks, routes and domains: null deletes, routes are replaced as a whole.",
            recorded=True,
        ),
        Route(
            "sip.test_routes",
            "POST",
            PATH + ":testRoutesWithNumber",
            api.test_routes_with_number,
            versions=EXTENDED,
            body=SipConfigurationUpdate,
            max_body=MAX_SIP_BODY,
            summary="Which routes of a draft, or of what is in force, a number matches.",
        ),
    ]


def _refuse_unknown(request: Request[SipConfigurationUpdate]) -> None:
    if request.version in EXTENDED:
        return
    target = unknown_in(request.body)
    if target:
        text = f"{target}: Version {request.version} does not know it; {', '.join(EXTENDED)} do."
        raise InvalidRequest(text, target=target)

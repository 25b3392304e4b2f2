"""The operator's word on trunks: which names of SBCs a resource may use."""

from collections.abc import Callable
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from telephony.kernel.clock import to_iso
from telephony.kernel.http.route import Auth, Reply, Request, Route
from telephony.kernel.ids import ResourceId
from telephony.resources.known import known_resource
from telephony.routing.sip_configuration.choice import Use
from telephony.routing.sip_configuration.entrance import MAX_ADDRESSES
from telephony.routing.sip_configuration.ports import Overall
from telephony.routing.sip_configuration.verbs import SipRouting, TrunkState

COLLECTION: Final = "/admin/resources/{resource}/sip-trunks"
ITEM: Final = COLLECTION + "/{fqdn}"

NetworkText = Annotated[str, Meta(max_length=64)]
"""An address or a network: the longest spelling of one has 49 characters."""


class SipTrunkReply(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A trunk of a resource, or a name that is enabled for one."""

    fqdn: str
    state: Use | None
    """Whether it is used, and if not, why; null: the resource has no trunk of this name."""
    enabled: bool
    """Whether the operator enabled its name."""
    routes: tuple[str, ...]
    """Routes that lead there."""
    sip_signaling_port: int | None = None
    enabled_at: str | None = None
    health: Overall | None = None
    addresses: tuple[str, ...] = ()
    """Where it may come in from without a certificate of its name."""


class EnableSipTrunk(Struct, frozen=True, forbid_unknown_fields=True):
    """How an SBC may come in."""

    addresses: Annotated[tuple[NetworkText, ...], Meta(max_length=MAX_ADDRESSES)] | None = None
    """Addresses and networks from which it may without a certificate of its name; unset: as before, for a new
    one none."""


class SipTrunkList(Struct, frozen=True):
    """A resource's trunks, and the names that are enabled for it."""

    value: tuple[SipTrunkReply, ...]


class _Trunks:
    def __init__(self, sip: SipRouting, knows: Callable[[ResourceId], bool]) -> None:
        self._sip, self._knows = sip, knows

    async def list(self, request: Request[None]) -> Reply:
        found = await self._sip.trunks(self._resource(request))
        return Reply(200, SipTrunkList(tuple(_shown(one) for one in found)))

    async def get(self, request: Request[None]) -> Reply:
        return Reply(200, _shown(await self._sip.trunk(self._resource(request), request.path["fqdn"])))

    async def enable(self, request: Request[EnableSipTrunk]) -> Reply:
        resource, listed = self._resource(request), request.body.addresses
        return Reply(200, _shown(await self._sip.enable(resource, request.path["fqdn"], listed)))

    async def disable(self, request: Request[None]) -> Reply:
        await self._sip.disable(self._resource(request), request.path["fqdn"])
        return Reply(204)

    def _resource(self, request: Request[Any]) -> ResourceId:
        return known_resource(request.path["resource"], self._knows)


def routes(sip: SipRouting, knows: Callable[[ResourceId], bool]) -> list[Route]:
    """Return the administration's operations on trunks; `knows` tells which resources exist."""
    api = _Trunks(sip, knows)
    return [
        Route(
            "admin.sip_trunks.list",
            "GET",
            COLLECTION,
            api.list,
            Auth.ADMIN,
            summary="A resource's SIP trunks, and whether they are used",
            reply=SipTrunkList,
        ),
        Route(
            "admin.sip_trunks.get",
            "GET",
            ITEM,
            api.get,
            Auth.ADMIN,
            summary="One of a resource's SIP trunks",
            reply=SipTrunkReply,
        ),
        Route(
            "admin.sip_trunks.enable",
            "POST",
            ITEM + ":enable",
            api.enable,
            Auth.ADMIN,
            body=EnableSipTrunk,
            summary="Let a resource use the SBC of this name; no two resources can",
            reply=SipTrunkReply,
        ),
        Route(
            "admin.sip_trunks.disable",
            "POST",
            ITEM + ":disable",
            api.disable,
            Auth.ADMIN,
            summary="Let a resource not use the SBC of this name any more",
            reply_status=204,
        ),
    ]


def _shown(one: TrunkState) -> SipTrunkReply:
    return SipTrunkReply(
        one.fqdn,
        one.use,
        one.enabled_at is not None,
        one.routes,
        None if one.trunk is None else one.trunk.sip_signaling_port,
        None if one.enabled_at is None else to_iso(one.enabled_at),
        None if one.health is None else one.health.overall,
        tuple(map(str, one.addresses)),
    )

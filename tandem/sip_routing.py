"""The tenants' own SIP trunks and routes, joined to the rest."""

from collections.abc import Callable
from dataclasses import dataclass

from telephony.kernel.clock import Clock
from telephony.kernel.http.outbound_addresses import OutboundSettings
from telephony.kernel.http.route import Route
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.resources.audit import AuditSettings
from telephony.routing.sip_configuration import admin, api
from telephony.routing.sip_configuration.directory import SipDirectory
from telephony.routing.sip_configuration.ports import Health, Unwatched
from telephony.routing.sip_configuration.resolution import SystemLookup, TrunkAddresses
from telephony.routing.sip_configuration.verbs import SipRouting


@dataclass(frozen=True, slots=True)
class SipPlane:
    """What the gateway needs of it."""

    directory: SipDirectory
    """Asked first, with every outbound call."""
    addresses: TrunkAddresses
    """Where a trunk is to be reached now: asked before every connection to one."""
    lookup: SystemLookup
    routes: tuple[Route, ...]

    def close(self) -> None:
        """Give threads back."""
        self.lookup.close()


def sip_plane(
    *,
    store: Store,
    clock: Clock,
    audit: AuditSettings,
    outbound: OutboundSettings,
    knows: Callable[[ResourceId], bool],
    health: Health | None = None,
) -> SipPlane:
    """Return the plane; `knows` tells which resources exist, `outbound` what they may lead to,
    `health` how trunks do: nobody knows unless told."""
    directory = SipDirectory(store)
    routing = SipRouting(store, clock, directory, health or Unwatched(), audit)
    lookup = SystemLookup()
    addresses = TrunkAddresses(lookup, outbound, clock)
    return SipPlane(directory, addresses, lookup, (*api.routes(routing), *admin.routes(routing, knows)))

"""The tenants' own SIP trunks and routes, joined to the rest."""

from collections.abc import Callable
from dataclasses import dataclass

from telephony.kernel.clock import Clock
from telephony.kernel.http.route import Route
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.resources.audit import AuditSettings
from telephony.routing.sip_configuration import admin, api
from telephony.routing.sip_configuration.directory import SipDirectory
from telephony.routing.sip_configuration.ports import Health, Unwatched
from telephony.routing.sip_configuration.verbs import SipRouting


@dataclass(frozen=True, slots=True)
class SipPlane:
    """What the gateway needs of it."""

    directory: SipDirectory
    """Asked first, with every outbound call."""
    routes: tuple[Route, ...]


def sip_plane(
    *,
    store: Store,
    clock: Clock,
    audit: AuditSettings,
    knows: Callable[[ResourceId], bool],
    health: Health | None = None,
) -> SipPlane:
    """Return the plane; `knows` tells which resources exist, `health` how trunks do: nobody knows unless
    told."""
    directory = SipDirectory(store)
    routing = SipRouting(store, clock, directory, health or Unwatched(), audit)
    return SipPlane(directory, (*api.routes(routing), *admin.routes(routing, knows)))

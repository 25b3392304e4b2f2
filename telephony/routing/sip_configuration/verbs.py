"""What can be done with a resource's SIP configuration."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from telephony.kernel.clock import Clock
from telephony.kernel.errors import InvalidRequest, NotFound, TandemError, Unavailable
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.resources.audit import Actor, AuditSettings, Change
from telephony.routing.dialled import read
from telephony.routing.sip_configuration.choice import CompiledRoutes, Use, use_of
from telephony.routing.sip_configuration.configuration import EMPTY, Route, SipConfiguration, Trunk
from telephony.routing.sip_configuration.directory import SipDirectory
from telephony.routing.sip_configuration.entrance import Network, networks_of
from telephony.routing.sip_configuration.names import folded, is_fqdn
from telephony.routing.sip_configuration.patch import patched, touched
from telephony.routing.sip_configuration.ports import Health, TrunkHealth
from telephony.routing.sip_configuration.store import (
    DisableName,
    EnableName,
    Save,
    find,
    find_enabled,
)
from telephony.routing.sip_configuration.validation import check
from telephony.routing.sip_configuration.wire import SipConfigurationUpdate

log = structlog.get_logger(__name__)

MAX_TRIES: Final = 20
"""Patches of one resource at once: each that loses, loses to another that was written."""

PATH: Final = "/sip"


@dataclass(frozen=True, slots=True)
class TrunkState:
    """A trunk as the operator sees it."""

    fqdn: str
    trunk: Trunk | None
    """None: the name is enabled, but the resource has no such trunk."""
    enabled_at: int | None
    """None: the operator has not enabled it."""
    use: Use | None
    routes: tuple[str, ...]
    """Names of the routes that lead there."""
    health: TrunkHealth | None
    addresses: tuple[Network, ...] = ()
    """Where it may come in from without a certificate."""


class SipRouting:
    """The verbs; what they change is in force in `directory` when they return."""

    def __init__(
        self, store: Store, clock: Clock, directory: SipDirectory, health: Health, audit: AuditSettings
    ) -> None:
        self._store, self._clock, self._directory = store, clock, directory
        self._health, self._audit = health, audit

    async def get(self, resource: ResourceId) -> SipConfiguration:
        """Return a resource's configuration."""
        return (await self._store.read(find(resource))).configuration

    async def update(
        self, resource: ResourceId, patch: SipConfigurationUpdate, actor: Actor
    ) -> SipConfiguration:
        """Change a resource's configuration; returns all of it. Leaves an audit record when it changed.

        Raises Unprocessable, and Unavailable when others change it all the time.
        """
        for _ in range(MAX_TRIES):
            stored = await self._store.read(find(resource))
            before, after = stored.configuration, patched(stored.configuration, patch)
            check(after, patterns=after.routes != before.routes)
            if _same(after, before):
                return before
            now = self._clock.now()
            change = Change(
                resource, actor, "sip.update", PATH, patch, touched(before, patch), touched(after, patch)
            )
            if await self._store.write(Save(resource, stored.version, after, change, now, self._audit)):
                await self._in_force_now()
                return after
        raise Unavailable("The configuration is being changed by others; try again.")

    async def matching(
        self, resource: ResourceId, written: str, draft: SipConfigurationUpdate | None
    ) -> tuple[Route, ...]:
        """Return the routes that a number matches, in their order: those of a draft, or those in force.

        Raises InvalidRequest for what is no number, Unprocessable for a draft that cannot be.
        """
        reading = read(written)
        if reading.number is None:
            why = "" if reading.refusal is None else reading.refusal.value
            raise InvalidRequest(f"targetPhoneNumber: {why}", target="targetPhoneNumber")
        if draft is None:
            configuration = await self.get(resource)
        else:
            configuration = patched(EMPTY, draft)
            check(configuration, patterns=False)  # compiling them is the check
        return CompiledRoutes(configuration).matching(reading.number)

    def health(self, resource: ResourceId, configuration: SipConfiguration) -> dict[str, TrunkHealth]:
        """Return how the trunks of a configuration do, by their names."""
        return {
            name: self._health.of(resource, name, trunk.sip_signaling_port)
            for name, trunk in configuration.trunks.items()
        }

    async def trunks(self, resource: ResourceId) -> list[TrunkState]:
        """Return the trunks of a resource and the names that are enabled for it, by name."""
        configuration = await self.get(resource)
        enabled = await self._store.read(find_enabled(resource))
        spelled = {folded(name): name for name in configuration.trunks}
        states = []
        for key in sorted(spelled.keys() | enabled.keys()):
            name = spelled.get(key, key)
            trunk, since = configuration.trunks.get(name), enabled.get(key)
            states.append(
                TrunkState(
                    name,
                    trunk,
                    None if since is None else since.at,
                    None if trunk is None else use_of(configuration, name, enabled),
                    tuple(
                        route.name
                        for route in configuration.routes
                        if key in [folded(each) for each in route.trunks]
                    ),
                    None if trunk is None else self._health.of(resource, name, trunk.sip_signaling_port),
                    () if since is None else since.addresses,
                )
            )
        return states

    async def trunk(self, resource: ResourceId, fqdn: str) -> TrunkState:
        """Return one of them. Raises NotFound."""
        for state in await self.trunks(resource):
            if folded(state.fqdn) == folded(fqdn):
                return state
        raise NotFound("The resource has no such trunk, and no such name is enabled for it.", target="fqdn")

    async def enable(
        self, resource: ResourceId, fqdn: str, addresses: Sequence[str] | None = None
    ) -> TrunkState:
        """Let a resource use the SBC of a name, which may come in from some addresses without a certificate.

        `addresses` None: those that it may already. Raises InvalidRequest, and Conflict when the name or an
        address is another's.
        """
        if not is_fqdn(fqdn):
            raise InvalidRequest("fqdn: Expected a name such as sbc.example.com.", target="fqdn")
        listed = None if addresses is None else networks_of(addresses)
        await self._store.write(EnableName(resource, folded(fqdn), self._clock.now(), listed))
        await self._in_force_now()
        return await self.trunk(resource, fqdn)

    async def disable(self, resource: ResourceId, fqdn: str) -> None:
        """Let a resource not use the SBC of a name any more. Raises NotFound when it could not."""
        if not await self._store.write(DisableName(resource, folded(fqdn))):
            raise NotFound("No such name is enabled for the resource.", target="fqdn")
        await self._in_force_now()

    async def _in_force_now(self) -> None:
        """Let this gateway follow a change at once; it stands, whatever becomes of this."""
        try:
            await self._directory.refresh()
        except TandemError as error:
            log.warning("sip.not_in_force_yet", error=error.message)


def _same(one: SipConfiguration, other: SipConfiguration) -> bool:
    """Tell whether configurations are equal, the order of trunks and domains included: answers show it."""
    return (
        one == other and list(one.trunks) == list(other.trunks) and list(one.domains) == list(other.domains)
    )

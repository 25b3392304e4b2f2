"""The administration of the node itself, joined: resources, keys, the audit, and what follows a change."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog

from sms.store import erase as sms_erase
from tandem import master_key
from tandem.audit import audited
from tandem.config.tree import Configuration
from tandem.first_start import Keepsakes, write_keepsakes
from tandem.http import Application, ServerLimits
from tandem.listeners import Listeners
from tandem.master_key import MasterKeyVerbs
from tandem.openapi import with_document
from tandem.tls import Certificates
from telephony.alarms import admin as alarms_admin
from telephony.calling import erase as calling_erase
from telephony.events.erase import WEBHOOKS
from telephony.kernel.clock import Clock
from telephony.kernel.errors import TandemError
from telephony.kernel.http.route import Route
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store
from telephony.resources import admin as resources_admin
from telephony.resources import audit_admin, privacy_admin
from telephony.resources.directory import Directory
from telephony.resources.privacy import FIRST_ANSWERS, PrivacyVerbs
from telephony.resources.seal import MasterKeys
from telephony.resources.service import ResourceVerbs
from telephony.routing.erase import OldRoutesEraser, named

log = structlog.get_logger(__name__)

DRAIN_SECONDS: Final = 10.0
"""How long running requests may take to end on the further listeners."""


ERASERS: Final = (WEBHOOKS, *sms_erase.ERASERS, *calling_erase.ERASERS, FIRST_ANSWERS, OldRoutesEraser())
"""All that is kept of people, whichever plane keeps it. Webhooks first: they tell of messages."""


class Administration:
    """Joins what the administration needs. `routes`, then `follow`, then `stop`."""

    def __init__(
        self,
        *,
        store: Store,
        directory: Directory,
        master: MasterKeys,
        clock: Clock,
        configuration: Configuration,
        node: NodeId,
    ) -> None:
        self._store, self._directory, self._clock = store, directory, clock
        self._configuration = configuration
        self._resources = ResourceVerbs(store=store, directory=directory, master=master, clock=clock)
        self._master_key = MasterKeyVerbs(
            store=store, master=master, configuration=configuration, node=node, clock=clock
        )
        self._privacy = PrivacyVerbs(store, clock, ERASERS, (sms_erase.kept, calling_erase.kept), (named,))
        self._told: list[Callable[[], None]] = []
        self._certificates: Certificates | None = None
        self._listeners: Listeners | None = None

    def routes(self, planes: Iterable[Route]) -> tuple[Route, ...]:
        """Return the planes' routes and our own; those that change something leave a record in the audit."""
        own = [
            *planes,
            *resources_admin.routes(self._resources),
            *audit_admin.routes(self._store),
            *alarms_admin.routes(self._store),
            *master_key.routes(self._master_key),
            *privacy_admin.routes(self._privacy, self._directory.knows),
        ]
        return tuple(audited(with_document(own), self._store, self._clock, self._configuration.audit))

    def on_change(self, told: Callable[[], None]) -> None:
        """Call `told` after every change of a resource."""
        self._told.append(told)

    async def follow(
        self, application: Application, certificates: Certificates, port: int, limits: ServerLimits
    ) -> None:
        """Keep certificate, listeners and keepsakes true from now on, whenever a resource changes."""
        self._certificates = certificates
        self._listeners = Listeners(
            application,
            certificates.context(self._directory.authorities),
            host=self._configuration.host,
            port=port,
            limits=limits,
        )
        await self._changed()
        self._directory.follow(self._changed)

    def trouble(self) -> Sequence[str]:
        """Return what is wrong, a sentence each."""
        return () if self._listeners is None else self._listeners.trouble()

    async def stop(self) -> None:
        """Close the further listeners."""
        if self._listeners is not None:
            await self._listeners.drain(DRAIN_SECONDS)

    async def _changed(self) -> None:
        assert self._certificates is not None
        assert self._listeners is not None
        authorities = self._directory.authorities
        try:
            self._certificates.refresh(authorities)
            first = next(iter(self._directory.resources), None)
            if first is not None:
                await write_keepsakes(Keepsakes(self._configuration.data), first, self._store, self._clock)
        except (OSError, TandemError) as error:  # the change stands; a full disk must not undo it
            log.error("administration.not_followed", error=str(error))
        await self._listeners.follow(authorities)
        for told in self._told:
            told()

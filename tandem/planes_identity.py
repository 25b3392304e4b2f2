"""Users and tokens, joined with the rest of a gateway."""

from prometheus_client import CollectorRegistry

from telephony.identity import admin, api
from telephony.identity.keyring import Keyring, Sealer
from telephony.identity.metrics import IdentityMetrics
from telephony.identity.revocations import Revocations
from telephony.identity.settings import IdentitySettings
from telephony.identity.verbs import IdentityVerbs
from telephony.identity.verifier import Verifier
from telephony.kernel.clock import DAY, Clock
from telephony.kernel.http.route import Route
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.resources.audit import AuditSettings
from telephony.resources.directory import Directory


class IdentityPlane:
    """`verifier` proves users to the HTTP application; `revocations` tells whoever holds on to tokens.

    Between `start` and `stop` it hears of what other gateways revoke.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        directory: Directory,
        sealer: Sealer,
        settings: IdentitySettings,
        registry: CollectorRegistry,
        audit: AuditSettings,
    ) -> None:
        metrics = IdentityMetrics(registry)
        self._directory = directory
        self.keyring = Keyring(store, clock, sealer, key_age=round(settings.key_days * DAY))
        self.revocations = Revocations(store, clock)
        self.verifier = Verifier(store, clock, self.keyring, self.revocations, metrics)
        self.verbs = IdentityVerbs(
            store=store,
            clock=clock,
            directory=directory,
            keyring=self.keyring,
            revocations=self.revocations,
            settings=settings,
            metrics=metrics,
            audit=audit,
        )

    def routes(self) -> list[Route]:
        """Return the operations of ACS Identity and of their administration."""
        return [
            *api.routes(self.verbs, self.keyring, self._by_host),
            *admin.routes(self.verbs, self._directory.knows),
        ]

    async def start(self) -> None:
        """Begin to listen for revocations."""
        self.revocations.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self.revocations.stop()

    def _by_host(self, host: str) -> ResourceId | None:
        found = self._directory.by_authority(host)
        return None if found is None else found.id

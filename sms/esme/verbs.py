"""The verbs behind the administration of accounts."""

from collections.abc import Iterable, Mapping
from typing import Final

import structlog

from sms.esme.account import AccountSettings, check_password, new_password
from sms.esme.directory import AccountDirectory, Sealer
from sms.esme.store import (
    AddAccount,
    ChangeAccount,
    ListAccounts,
    RemoveAccount,
    StoredAccount,
    password_place,
)
from sms.esme.usage import AccountUse, FindUsage, use_of
from sms.smpp.reception import Reception
from telephony.kernel.clock import Clock
from telephony.kernel.ids import ResourceId, to_text
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store

log = structlog.get_logger(__name__)

FIRST_VERSION: Final = 1


class AccountVerbs:
    """Add, list, change and remove accounts; what is changed is unbound at once.

    Each raises Unavailable when the store is away.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sealer: Sealer,
        directory: AccountDirectory,
        reception: Reception | None = None,
    ) -> None:
        """`reception` has this gateway's binds, if it takes any."""
        self._store, self._clock, self._sealer, self._directory = store, clock, sealer, directory
        self._reception = reception

    async def add(
        self, resource: ResourceId, system_id: str, settings: AccountSettings, password: str | None
    ) -> tuple[StoredAccount, Secret]:
        """Return the new account and its password, a random one unless given.

        Raises InvalidRequest for settings that do not fit together, Conflict for a system_id that is taken.
        """
        settings.check()
        secret = new_password() if password is None else check_password(password)
        account = StoredAccount(
            resource,
            system_id,
            self._sealed(resource, system_id, secret),
            settings,
            FIRST_VERSION,
            self._clock.now(),
        )
        await self._store.write(AddAccount(account))
        log.info("esme.account_added", resource=to_text(resource), system_id=system_id, kind=settings.kind)
        await self._directory.refresh()
        return account, secret

    async def list(self, resource: ResourceId) -> list[StoredAccount]:
        """Return a resource's accounts."""
        return await self._store.read(ListAccounts(resource))

    async def uses(self, resource: ResourceId, system_ids: Iterable[str]) -> Mapping[str, AccountUse]:
        """Return what some of a resource's accounts have and did."""
        usage = await self._store.read(FindUsage(resource, self._clock.now()))
        return {system_id: use_of(system_id, usage, self._reception) for system_id in system_ids}

    async def remove(self, resource: ResourceId, system_id: str) -> None:
        """Delete an account and what waits for it. Raises NotFound."""
        await self._store.write(RemoveAccount(resource, system_id))
        log.info("esme.account_removed", resource=to_text(resource), system_id=system_id)
        await self._directory.refresh()

    async def rotate(self, resource: ResourceId, system_id: str) -> Secret:
        """Return a new password; the old one is worth nothing any more. Raises NotFound."""
        secret = new_password()
        await self._store.write(
            ChangeAccount(resource, system_id, sealed=self._sealed(resource, system_id, secret))
        )
        log.info("esme.password_rotated", resource=to_text(resource), system_id=system_id)
        await self._directory.refresh()
        return secret

    async def enable(self, resource: ResourceId, system_id: str, enabled: bool) -> None:
        """Let an account bind, or not any more. Raises NotFound."""
        await self._store.write(ChangeAccount(resource, system_id, enabled=enabled))
        log.info("esme.account_changed", resource=to_text(resource), system_id=system_id, enabled=enabled)
        await self._directory.refresh()

    def _sealed(self, resource: ResourceId, system_id: str, secret: Secret) -> bytes:
        return self._sealer.seal(secret.reveal().encode(), password_place(resource, system_id))

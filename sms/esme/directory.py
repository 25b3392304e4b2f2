"""Who may bind to us: every account in memory, as the gate and the message plane ask for it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

import structlog

from sms.esme.account import EsmeAccount, esme_account
from sms.esme.store import ListAccounts, StoredAccount, Versions, password_place, read_versions
from sms.smpp.gate import Account
from telephony.kernel.errors import TandemError
from telephony.kernel.ids import ResourceId
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store
from telephony.kernel.watch import Watch

log = structlog.get_logger(__name__)


class Sealer(Protocol):
    """Seals what must not stand in the store in the clear."""

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Return `plain` sealed for the place `context` alone."""
        ...

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Return what was sealed. Raises a TandemError when it does not open."""
        ...


class AccountDirectory:
    """The look-ups. `start` before the first bind, `refresh` after a change, `stop` at the end.

    `get` and `inbound` may be asked on any thread.
    """

    def __init__(self, store: Store, sealer: Sealer) -> None:
        self._store, self._sealer = store, sealer
        self._versions: Versions | None = None
        self._by_id: Mapping[str, EsmeAccount] = {}
        self._inbound: Mapping[ResourceId, Sequence[EsmeAccount]] = {}
        self._watch = Watch("esme.accounts", self.refresh)
        self.changed: Callable[[str], None] = lambda _: None
        """Told the system_id of an account that was changed or removed."""
        self.admits: Callable[[ResourceId], bool] = lambda _: True
        """Whether a resource's accounts may bind at all: it is not disabled."""

    def get(self, system_id: str) -> EsmeAccount | None:
        """Return an account, also one that may not bind now."""
        return self._by_id.get(system_id)

    def every(self) -> Iterable[EsmeAccount]:
        """Return all accounts."""
        return self._by_id.values()

    def gate(self, system_id: str) -> Account | None:
        """Return an account that may bind."""
        found = self._by_id.get(system_id)
        if found is None or not found.settings.enabled or not self.admits(found.resource):
            return None
        return found.gate

    def inbound(self, resource: ResourceId) -> Sequence[EsmeAccount]:
        """Return the accounts that want the messages to a resource's numbers."""
        return self._inbound.get(resource, ())

    def shut_out(self) -> None:
        """End the binds of accounts whose resource is not admitted any more."""
        for system_id, account in self._by_id.items():
            if not self.admits(account.resource):
                self.changed(system_id)

    async def start(self) -> None:
        """Read everything, and keep looking for changes. Raises Unavailable when the store is away."""
        await self.refresh()
        self._watch.start()

    async def stop(self) -> None:
        """Stop looking for changes."""
        await self._watch.stop()

    async def refresh(self) -> None:
        """Take over what the database has, if it changed. Raises Unavailable when that is away."""
        versions = await self._store.read(read_versions)
        before = self._versions
        if versions == before:
            return
        found = await self._store.read(ListAccounts())
        by_id = {
            stored.system_id: account
            for stored in found
            if (account := self._opened(stored)) is not None  # one that does not open must not stop the rest
        }
        inbound: dict[ResourceId, list[EsmeAccount]] = {}
        for account in by_id.values():
            if account.settings.inbound:
                inbound.setdefault(account.resource, []).append(account)
        self._by_id, self._inbound, self._versions = by_id, inbound, versions
        for system_id, version in (before or {}).items():
            if versions.get(system_id) != version:
                self.changed(system_id)

    def _opened(self, stored: StoredAccount) -> EsmeAccount | None:
        try:
            plain = self._sealer.open(stored.sealed, password_place(stored.resource, stored.system_id))
        except TandemError as error:
            log.error("esme.password_does_not_open", system_id=stored.system_id, error=error.message)
            return None
        return esme_account(
            stored.resource, stored.system_id, Secret(plain.decode()), stored.settings, stored.version
        )

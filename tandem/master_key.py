"""Changing the node's master key while it works: a new one seals from now on, everything is sealed again."""

import asyncio
from typing import Final

import structlog
from msgspec import Struct
from sqlalchemy import Connection, func, select

from sms.esme.store import password_place
from sms.esme.tables import accounts
from tandem.carriers.tables import carriers, document_place
from tandem.config.tree import Configuration
from telephony.events.store import subscriptions
from telephony.events.subscription_jobs import ResealSecrets
from telephony.events.subscriptions import secret_place
from telephony.identity.keys import seal_place as token_key_place
from telephony.identity.tables import token_keys
from telephony.kernel.clock import Clock
from telephony.kernel.errors import Conflict
from telephony.kernel.http.route import Auth, Handler, Reply, Request, Role, Route
from telephony.kernel.ids import NodeId
from telephony.kernel.store import Store
from telephony.kernel.store.leases import database_now
from telephony.kernel.store.schema import nodes
from telephony.resources.reseal import SLICE, ResealSlice, SealedColumn, count_older
from telephony.resources.seal import MasterKeys, SelfDescribing, append_master_key, forget_old_keys
from telephony.resources.verbs import Reseal

log = structlog.get_logger(__name__)

PATH: Final = "/admin/masterKey"

TRIES: Final = 5
"""Of sealing webhook secrets again, when somebody changes a subscription in between."""

SEALED: Final = (
    SealedColumn(subscriptions.c.secret, lambda row: secret_place(row.resource, row.id)),
    SealedColumn(subscriptions.c.old_secret, lambda row: secret_place(row.resource, row.id)),
    SealedColumn(accounts.c.password, lambda row: password_place(row.resource, row.system_id)),
    SealedColumn(carriers.c.sealed, lambda row: document_place(row.name)),
    SealedColumn(token_keys.c.sealed, lambda row: token_key_place(row.resource, row.id)),
)
"""Every column that the master key seals, beside the resources' access keys."""


class MasterKeyView(Struct, frozen=True, rename="camel"):
    """The master keys by their ids, which tell nothing of them."""

    keys: tuple[str, ...]
    """The newest is the last: it seals; each opens."""
    from_file: bool
    """False: they stand in the configuration."""
    sealed_by_older: int
    """Values that need an older key to be opened."""


class MasterKeyVerbs:
    """Rotate, seal again, forget."""

    def __init__(
        self, *, store: Store, master: MasterKeys, configuration: Configuration, node: NodeId, clock: Clock
    ) -> None:
        self._store, self._master, self._configuration = store, master, configuration
        self._node, self._clock = node, clock
        self._turn = asyncio.Lock()

    async def view(self) -> MasterKeyView:
        """Return what there is. Raises Unavailable."""
        older = await self._store.read(count_older(SEALED, self._master.newest))
        return MasterKeyView(self._master.ids, not self._configuration.master_key, older)

    async def rotate(self) -> MasterKeyView:
        """Add a new key to the file and seal everything by it; the old one stays, and opens.

        Raises Conflict when the keys stand in the configuration, or other gateways would not know the new
        one; Unavailable when the database went away in between: `reseal` goes on then.
        """
        async with self._turn:
            self._check_file()
            others = await self._store.read(lambda tx: _others(tx, self._node))
            if others:
                raise Conflict(
                    f"{others} more gateways work on the database: add the new key to each one's file,"
                    " restart them, then seal again (tandem master-key reseal)."
                )
            path = self._configuration.master_key_path()
            self._master.become(await asyncio.to_thread(append_master_key, path))
            log.info("master_key.rotated", newest=self._master.newest)
            await self._reseal()
        return await self.view()

    async def reseal(self) -> MasterKeyView:
        """Seal by the newest key whatever an older one sealed. Raises Unavailable."""
        async with self._turn:
            await self._reseal()
        return await self.view()

    async def forget_old(self) -> MasterKeyView:
        """Remove all keys but the newest from the file.

        Raises Conflict when something needs an older one, or the keys stand in the configuration.
        """
        async with self._turn:
            self._check_file()
            newest = self._master.newest
            if older := await self._store.read(count_older(SEALED, newest)):
                raise Conflict(f"{older} values are sealed by older keys (tandem master-key reseal).")
            path = self._configuration.master_key_path()
            self._master.become(await asyncio.to_thread(forget_old_keys, path, newest))
            log.info("master_key.forgotten", newest=newest)
        return await self.view()

    def _check_file(self) -> None:
        if self._configuration.master_key:
            raise Conflict(
                "The master key stands in the configuration: set master_key to the old and the new one,"
                " separated by a comma, restart, then seal again (tandem master-key reseal)."
            )

    async def _reseal(self) -> None:
        count = await self._store.write(Reseal(self._master, self._clock.now()))
        for attempt in range(TRIES):
            try:
                count += await self._store.write(ResealSecrets(SelfDescribing(self._master)))
                break
            except Conflict:  # somebody changed a subscription at the same moment
                if attempt == TRIES - 1:
                    raise
        for sealed in SEALED:
            done = SLICE
            while done == SLICE:
                done = await self._store.write(ResealSlice(sealed, self._master))
                count += done
        log.info("master_key.resealed", count=count)


def routes(verbs: MasterKeyVerbs) -> list[Route]:
    """Return the operations on the master key."""

    async def show(_: Request[None]) -> Reply:
        return Reply(200, await verbs.view())

    async def rotate(_: Request[None]) -> Reply:
        return Reply(200, await verbs.rotate())

    async def reseal(_: Request[None]) -> Reply:
        return Reply(200, await verbs.reseal())

    async def forget_old(_: Request[None]) -> Reply:
        return Reply(200, await verbs.forget_old())

    def change(name: str, verb: str, handler: Handler, summary: str) -> Route:
        return Route(
            f"admin.master_key.{name}",
            "POST",
            f"{PATH}:{verb}",
            handler,
            Auth.ADMIN,
            summary=summary,
            roles=(Role.OWNER,),
            reply=MasterKeyView,
        )

    return [
        Route(
            "admin.master_key.get",
            "GET",
            PATH,
            show,
            Auth.ADMIN,
            summary="The master keys by id, and what still needs an older one",
            reply=MasterKeyView,
        ),
        change("rotate", "rotate", rotate, "Add a new master key to the file and seal everything by it"),
        change("reseal", "reseal", reseal, "Seal by the newest master key what an older one sealed"),
        change("forget_old", "forgetOld", forget_old, "Remove the master keys that nothing needs any more"),
    ]


def _others(tx: Connection, node: NodeId) -> int:
    alive = select(func.count()).where(nodes.c.id != node, nodes.c.lease_until > database_now(tx))
    return int(tx.scalar(alive) or 0)

"""Users and tokens on a store, without HTTP: one gateway's part, as often as a test wants it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from tandem.planes_identity import IdentityPlane
from telephony.identity.names import raw_id
from telephony.identity.scopes import Scope
from telephony.identity.settings import IdentitySettings
from telephony.identity.store import User
from telephony.identity.verbs import Wish
from telephony.kernel.clock import Clock
from telephony.kernel.ids import ResourceId
from telephony.kernel.store import Store
from telephony.resources.audit import AuditSettings
from telephony.resources.directory import Directory
from telephony.resources.seal import MasterKeys, SelfDescribing
from telephony.resources.verbs import CreateResource

MASTER = MasterKeys([bytes(range(32))])
CHAT = Wish((Scope.CHAT,), 60)


@dataclass(frozen=True, slots=True)
class Identity:
    """One gateway's users and tokens, and two resources that it knows."""

    plane: IdentityPlane
    directory: Directory
    one: ResourceId
    other: ResourceId

    async def token(self, resource: ResourceId | None = None, wish: Wish = CHAT) -> tuple[str, str]:
        """Return the raw id and a token of a new user's, the first resource's unless told otherwise."""
        user, issued = await self.plane.verbs.create(resource or self.one, wish, None)
        assert issued is not None
        return raw(user), issued.token.reveal()

    async def proves(self, token: str, resource: ResourceId | None = None) -> bool:
        """Tell whether a token proves a user at a resource, the first unless told otherwise."""
        return await self.plane.verifier(resource or self.one, token) is not None


def raw(user: User) -> str:
    """Return a user's id on the wire."""
    return raw_id(user.resource, user.id)


@asynccontextmanager
async def identity(
    store: Store, clock: Clock, settings: IdentitySettings | None = None, *, master: MasterKeys = MASTER
) -> AsyncIterator[Identity]:
    """Run the plane on `store`, which gets two resources unless it has them. Nothing is read by itself:
    tests call `plane.revocations.refresh()`."""
    directory = Directory(store, master)
    await directory.refresh()
    if not list(directory.resources):
        for name in ("one", "other"):
            await store.write(CreateResource(name, [f"{name}.test"], MASTER, clock.now()))
        await directory.refresh()
    one, other = directory.resources
    plane = IdentityPlane(
        store=store,
        clock=clock,
        directory=directory,
        sealer=SelfDescribing(master),
        settings=settings or IdentitySettings(),
        registry=CollectorRegistry(),
        audit=AuditSettings(),
    )
    yield Identity(plane, directory, ResourceId(one.id), ResourceId(other.id))
    await plane.stop()

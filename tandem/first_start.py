"""What a node makes when it finds nothing: a resource with a number, and a key of administration."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection

from carriers.simulated.blocks import SimulatedBlocks
from tandem.config.tree import SIMULATED, Configuration
from tandem.first_routes import put_first_routes
from telephony.kernel.clock import Clock
from telephony.kernel.e164 import E164
from telephony.kernel.http.route import Role
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.numbers.holds import HoldKind
from telephony.numbers.intake import take_in
from telephony.numbers.reservations import ChangeReservation, Pick
from telephony.numbers.settings import NumberSettings
from telephony.numbers.stock import FindStock
from telephony.numbers.store import ListNumbers
from telephony.numbers.trade import Purchase
from telephony.resources.access_key import connection_string
from telephony.resources.directory import Directory, Resource
from telephony.resources.seal import MasterKeys
from telephony.resources.verbs import AddAdminKey, CreateResource

log = structlog.get_logger(__name__)

FIRST_NUMBER: Final = E164("+14255550100")
"""The first resource's number at the simulated carrier; 555-0100 to 0199 belong to nobody (NANPA)."""

FIRST_RESOURCE: Final = "first"


@dataclass(frozen=True, slots=True)
class Keepsakes:
    """The files that a person or a program on this machine finds the node by."""

    data: Path

    @property
    def connection_string(self) -> Path:
        """The first resource's connection string; mode 0600."""
        return self.data / "connection-string"

    @property
    def number(self) -> Path:
        """A number that the first resource owns."""
        return self.data / "number"

    @property
    def admin_key(self) -> Path:
        """A key of administration, owner; mode 0600."""
        return self.data / "admin-key"

    @property
    def welcomed(self) -> Path:
        """There once the first messages went through."""
        return self.data / "welcomed"


async def ensure_first_resource(
    configuration: Configuration, store: Store, master: MasterKeys, directory: Directory, clock: Clock
) -> Resource:
    """Return the first resource, made with its number when there is none yet.

    With the simulated carrier only it is a demonstration resource: nothing of it leaves the machine.
    """
    found = next(iter(directory.resources), None)
    if found is None:
        authorities = authorities_of(configuration)
        only_simulated = all(carrier.simulated for carrier in configuration.carriers.values())
        create = CreateResource(
            FIRST_RESOURCE, authorities, master, clock.now(), demonstration=only_simulated
        )
        buys = SIMULATED in configuration.carriers
        if buys:
            await take_in(store, SimulatedBlocks(SIMULATED))
        made = await store.write(MakeFirst(create, buys, configuration.numbers))
        await directory.refresh()
        found = directory.by_id(made)
        assert found is not None
    return found


@dataclass(frozen=True, slots=True)
class MakeFirst:
    """Job: make the first resource, let it buy its number, and put the first routes in force; returns its id.

    One transaction, because the next start makes neither once there is a resource: a start that ends in the
    middle leaves both or none.
    """

    create: CreateResource
    buys: bool
    settings: NumberSettings

    def __call__(self, tx: Connection) -> ResourceId:
        """See `telephony.kernel.store.jobs.Job`."""
        made = ResourceId(self.create(tx).id)
        if self.buys:
            self._buy(tx, made)
        put_first_routes(tx, self.create.now, FIRST_NUMBER if self.buys else None)
        return made

    def _buy(self, tx: Connection, resource: ResourceId) -> None:
        """Buy the first number as anybody buys one: by a reservation."""
        stock = FindStock(FIRST_NUMBER)(tx)
        assert stock is not None
        lot = stock.lot
        reservation = new_id(self.create.now)
        pick = Pick(lot.country, lot.type, lot.assignment, lot.capabilities)
        reserved = ChangeReservation(resource, reservation, {FIRST_NUMBER: pick}, self.settings)(tx)
        if reserved.failed:
            log.warning("first_start.number_is_taken", number=FIRST_NUMBER)
            return
        Purchase(resource, HoldKind.RESERVATION, reservation, True, self.settings)(tx)


async def write_keepsakes(keepsakes: Keepsakes, first: Resource, store: Store, clock: Clock) -> None:
    """Write the files that are missing or changed, so that a node whose files were lost can still be reached.

    A file that is right is left alone: on a full disk it would be empty afterwards.
    """
    if first.keys and first.authorities:
        secret = connection_string(first.authorities[0], first.keys[0])
        if not _says(keepsakes.connection_string, secret.reveal()):
            _write_secret(keepsakes.connection_string, secret.reveal())
    owned = await store.read(ListNumbers(first.id, 1))
    if owned and not _says(keepsakes.number, owned[0].number):
        keepsakes.number.write_text(f"{owned[0].number}\n")
    if not keepsakes.admin_key.exists():
        made = await store.write(AddAdminKey("this node's own", Role.OWNER, clock.now()))
        _write_secret(keepsakes.admin_key, made.key.reveal())


def authorities_of(configuration: Configuration) -> Sequence[str]:
    """Return the authorities of the first resource."""
    if configuration.authorities:
        return configuration.authorities
    return (f"127.0.0.1:{configuration.port}", f"localhost:{configuration.port}")


def _says(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text + "\n"


def _write_secret(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)

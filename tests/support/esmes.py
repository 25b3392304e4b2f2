"""The message plane with its SMPP server: a simulated carrier on one side, whoever binds on the other."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from carriers.model.carrier import Carrier, SmppLink
from carriers.simulated.journal import Entry, Journal, read
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from sms.esme.account import AccountSettings
from sms.esme.directory import AccountDirectory
from sms.esme.outbox import Outbox
from sms.esme.service import EsmeService
from sms.esme.settings import SmppServerSettings
from sms.esme.tables import outbox as outbox_table
from sms.esme.verbs import AccountVerbs
from sms.message import from_wire_id
from sms.send import SendSms
from sms.service import SmsService
from sms.smpp.pdu import SubmitSm
from sms.store.queries import MessageSummary, MessageView, Search
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store
from telephony.numbers.directory import NumberDirectory
from telephony.resources.seal import MasterKeys, SelfDescribing
from tests.support.sms import CARRIER, NUMBER, PEER, Plane, plane

SYSTEM_ID, PASSWORD = "customer", "secret08"
LOOPBACK = ("127.0.0.1",)


def submit(body: bytes = b"Hello", **fields: Any) -> SubmitSm:
    """Return a submit_sm from our number to a handset, with a receipt asked for."""
    values: dict[str, Any] = {
        "source_addr_ton": 1,
        "source_addr_npi": 1,
        "source_addr": NUMBER[1:],
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": PEER[1:],
        "registered_delivery": 1,
        "short_message": body,
    }
    return SubmitSm(**(values | fields))


@dataclass
class Desk:
    """One node's message plane."""

    plane: Plane
    smsc: Smsc
    sms: SmsService
    esmes: EsmeService
    accounts: AccountVerbs
    directory: AccountDirectory
    journal: Path | None = None

    @property
    def port(self) -> int:
        """Where others bind."""
        return self.esmes.port

    async def account(self, system_id: str = SYSTEM_ID, **settings: Any) -> None:
        """Add an account that may bind from here with PASSWORD."""
        made = AccountSettings(**({"addresses": LOOPBACK} | settings))
        await self.accounts.add(self.plane.resource, system_id, made, PASSWORD)

    async def view(self, message: MessageSummary) -> MessageView:
        """Look a message up that a search found."""
        identifier = from_wire_id(message.message_id)
        assert identifier is not None
        return await self.plane.view(identifier)

    async def sent(self) -> list[MessageSummary]:
        """Return the messages that went out, newest first."""
        return await self.plane.store.read(Search(resource=self.plane.resource, direction="outbound"))

    def submits(self) -> list[Entry]:
        """Return what the carrier took, of a desk with a journal."""
        assert self.journal is not None
        return [entry for entry in read(self.journal) if entry.kind == "submit"]

    async def waiting(self) -> int:
        """Return how many deliver_sm the store has for accounts."""
        query = select(func.count()).select_from(outbox_table)
        return int(await self.plane.store.read(lambda tx: tx.execute(query).scalar_one()))

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is true."""
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.001)

    async def until_waiting(self, count: int) -> None:
        """Wait until it has so many."""
        async with asyncio.timeout(10):
            while await self.waiting() != count:
                pass


@asynccontextmanager
async def desk(
    store: Store,
    *,
    on: Plane | None = None,
    alone: bool = True,
    server: Mapping[str, Any] | None = None,
    journal: Path | None = None,
    **account: Any,
) -> AsyncIterator[Desk]:
    """Run it; `account` is the simulated carrier's. A second one `on` the same plane is the next process, or
    another gateway when it is not `alone`."""
    clock: Any = SystemClock()
    on = on or await plane(store, clock=clock)
    simulated = SimulatedAccount(password=Secret(PASSWORD), **account)
    smsc = Smsc(
        SimulatedSettings(
            port=0, accounts={"tandem": simulated}, retry_seconds=(0.02, 0.1), slow_seconds=0.1
        ),
        clock=clock,
        journal=None if journal is None else Journal(journal),
    )
    await smsc.start()
    link = SmppLink(host="127.0.0.1", port=smsc.port, system_id="tandem", password=Secret(PASSWORD))
    sealer = SelfDescribing(MasterKeys.parse(Secret(base64.b64encode(bytes(32)).decode())))
    directory = AccountDirectory(store, sealer)
    await directory.start()
    outbox = Outbox(directory, 7)
    sms = SmsService(
        {CARRIER: Carrier(smpp={"link": link})},
        store=store,
        clock=clock,
        node=on.node,
        settings=on.settings,
        subscriptions=on.subscribers,
        enqueue=lambda _: None,
        esmes=outbox,
    )
    numbers = NumberDirectory(store, clock)
    send = SendSms(
        store=store,
        clock=clock,
        node=on.node,
        numbers=numbers,
        ways=on.router,
        settings=on.settings,
        offer=sms.offer,
        backlog=sms.backlog,
    )
    esmes = EsmeService(
        store=store,
        clock=clock,
        node=on.node,
        directory=directory,
        outbox=outbox,
        send=send,
        numbers=numbers,
        inlet=sms.inlet,
        life=sms.life,
        settings=_anywhere(**(server or {})),
        alone=alone,
    )
    verbs = AccountVerbs(
        store=store, clock=clock, sealer=sealer, directory=directory, reception=esmes.reception
    )
    await sms.start()
    await esmes.start()
    try:
        yield Desk(on, smsc, sms, esmes, verbs, directory, journal)
    finally:
        await esmes.stop()
        await sms.stop()
        await smsc.stop()
        await directory.stop()


def _anywhere(**settings: Any) -> SmppServerSettings:
    # Port 0 is for tests alone; msgspec checks what it decodes.
    return SmppServerSettings(enabled=True, port=0, **settings)

"""The message plane for tests: links that are lists, a resource with a number, and short ways to messages."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from carriers.model.carrier import Carrier
from sms.compliance.store import Compliance
from sms.dispatch import Dispatcher
from sms.inlet import Inlet
from sms.inward.placing import Inward
from sms.message import Outbound, SmsDetail, from_wire_id
from sms.outgoing import Unit
from sms.reservation import Reservation
from sms.send import Options, Recipient, Result, SendSms
from sms.settings import SmsSettings
from sms.smpp.constants import CommandStatus, EsmClass, Tag
from sms.smpp.errors import LinkFull
from sms.smpp.pdu import DeliverSm, SubmitSm
from sms.store.accept import AcceptMessages, NewMessage
from sms.store.finish import Finisher, Key
from sms.store.queries import Find, MessageView
from sms.text import count
from telephony.events.event import EventSchema
from telephony.events.store import Delivery
from telephony.kernel.clock import DAY
from telephony.kernel.e164 import E164
from telephony.kernel.ids import InteractionId, NodeId, ResourceId, SubscriptionId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode
from telephony.numbers.directory import NumberDirectory
from telephony.numbers.store import AcquireNumber, OwnedNumber
from telephony.routing.router import Router
from tests.support.clock import ManualClock
from tests.support.routing import router_by_number

CARRIER = "carrier"
NUMBER = E164("+14255550199")
PEER = "+12065550100"


@dataclass(frozen=True)
class Wanting:
    """A subscription that wants everything."""

    id: SubscriptionId
    schema: EventSchema = EventSchema.EVENT_GRID
    ttl_minutes: int = 60


@dataclass
class Subscribers:
    """A `telephony.events.store.Matching`: every resource has these."""

    wanted: Sequence[Wanting] = ()

    def matching(self, resource: ResourceId, event_type: str) -> Sequence[Wanting]:
        """See Matching."""
        return self.wanted


class FakeLink:
    """A link that keeps what is submitted, and answers when told."""

    def __init__(self, name: str = "one", window: int = 10) -> None:
        self.name = name
        self.window = window
        self.bound = True
        self.sent: list[tuple[SubmitSm, Unit]] = []
        """Everything, in order."""
        self.flying: list[tuple[SubmitSm, Unit]] = []
        self.answers: list[tuple[int, int]] = []
        """Of deliver_sm: sequence and status."""
        self.dispatcher: Dispatcher | None = None
        self.refuses: Exception | None = None
        self.changed = asyncio.Event()

    @property
    def outstanding(self) -> int:
        """See SubmitLink."""
        return len(self.flying)

    @property
    def room(self) -> int:
        """See SubmitLink."""
        return self.window - len(self.flying) if self.bound else 0

    def submit(self, pdu: SubmitSm, token: object) -> None:
        """See SubmitLink."""
        if self.refuses is not None:
            raise self.refuses
        if self.room <= 0:
            raise LinkFull("no room")
        assert isinstance(token, Unit)
        self.sent.append((pdu, token))
        self.flying.append((pdu, token))
        self.changed.set()

    def answer_deliver(self, sequence: int, status: int) -> None:
        """See DeliverLink."""
        self.answers.append((sequence, status))
        self.changed.set()

    def answer(self, status: int = 0, remote_id: str = "", *, index: int = 0) -> None:
        """Answer one of those that fly: the oldest unless said otherwise."""
        assert self.dispatcher is not None
        _, unit = self.flying.pop(index)
        name = remote_id or f"{unit.message.id.hex()}-{unit.part.number}"
        self.dispatcher.submit_answered(self, unit, status, "" if status else name)

    def lose(self, reason: str = "no answer within 10 s", *, index: int = 0) -> None:
        """Lose the answer of one of those that fly."""
        assert self.dispatcher is not None
        _, unit = self.flying.pop(index)
        self.dispatcher.submit_lost(self, unit, reason)

    def break_off(self) -> None:
        """Lose the connection, and every answer with it."""
        assert self.dispatcher is not None
        self.bound = False
        flying, self.flying = self.flying, []
        for _, unit in flying:
            self.dispatcher.submit_lost(self, unit, "connection lost")
        self.dispatcher.pump_soon()

    def bind(self) -> None:
        """Come back."""
        assert self.dispatcher is not None
        self.bound = True
        self.dispatcher.pump_soon()

    async def until_sent(self, count: int) -> None:
        """Wait until so many were sent in all."""
        await self.until(lambda: len(self.sent) >= count)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until what happens here makes a condition true."""
        async with asyncio.timeout(10):
            while not condition():
                self.changed.clear()
                await self.changed.wait()

    @property
    def texts(self) -> list[bytes]:
        """What was sent, in order."""
        return [pdu.short_message for pdu, _ in self.sent]


@dataclass
class Plane:
    """A resource with a number, and the parts of the message plane around one store."""

    store: Store
    clock: ManualClock
    node: NodeId
    resource: ResourceId
    settings: SmsSettings = field(default_factory=SmsSettings)
    subscribers: Subscribers = field(default_factory=Subscribers)
    deliveries: list[Delivery] = field(default_factory=list)
    replies: list[tuple[str, Outbound]] = field(default_factory=list)
    carrier: Carrier = field(default_factory=Carrier)
    dispatchers: list[Dispatcher] = field(default_factory=list)
    inward: Inward | None = None
    """Decides where inbound texts go; None: to whoever asked for them."""
    placed: list[dict[str, int]] = field(default_factory=list)
    """Where they went, a job each."""
    router: Router = field(default_factory=lambda: router_by_number(CARRIER))

    def finisher(self) -> Finisher:
        """Return a finisher of this node's."""
        return Finisher(self.node, self.subscribers, Compliance(self.settings), inward=self.inward)

    def ended(self, finisher: Finisher) -> None:
        """Keep the deliveries."""
        self.deliveries += finisher.deliveries
        self.replies += finisher.replies

    def dispatcher(self) -> Dispatcher:
        """Return a new dispatcher, not started; it is stopped with the plane."""
        made = Dispatcher(
            CARRIER,
            store=self.store,
            clock=self.clock,
            node=self.node,
            settings=self.settings,
            finisher=self.finisher,
            ended=self.ended,
            wants=self.carrier,
        )
        self.dispatchers.append(made)
        return made

    async def dispatching(self, *links: FakeLink) -> Dispatcher:
        """Return a started dispatcher."""
        made = self.dispatcher()
        for link in links:
            link.dispatcher = made
        await made.start(links)
        return made

    def inlet(self, carrier: str = CARRIER) -> Inlet:
        """Return a new inlet."""
        return Inlet(
            carrier,
            self.carrier,
            store=self.store,
            clock=self.clock,
            settings=self.settings,
            finisher=self.finisher,
            ended=self.ended,
        )

    def sender(self, dispatcher: Dispatcher | None = None) -> SendSms:
        """Return the verb."""

        def offer(carrier: str, messages: Sequence[Outbound]) -> None:
            if dispatcher is not None:
                dispatcher.offer(messages)

        def reserve(carrier: str, ids: Sequence[InteractionId]) -> Reservation | None:
            return None if dispatcher is None else dispatcher.reserve(ids)

        return SendSms(
            store=self.store,
            clock=self.clock,
            node=self.node,
            numbers=NumberDirectory(self.store, self.clock),
            ways=self.router,
            settings=self.settings,
            offer=offer,
            backlog=lambda _: 0 if dispatcher is None else dispatcher.backlog,
            reserve=reserve,
        )

    async def send(
        self, text: str, *to: str, dispatcher: Dispatcher | None = None, **options: Any
    ) -> list[Result]:
        """Send a text to numbers."""
        recipients = [Recipient(one) for one in to or (PEER,)]
        made = Options(**options)
        return await self.sender(dispatcher)(self.resource, NUMBER, recipients, text, made, "request")

    async def accept(
        self,
        text: str = "Hello",
        count_: int = 1,
        *,
        report: bool = True,
        carrier: str = CARRIER,
        identifiers: Sequence[InteractionId] = (),
        claimed: bool = False,
    ) -> list[Outbound]:
        """Put messages into the store; return them as dispatchers want them."""
        now = self.clock.now()
        expires = now + self.settings.validity_seconds * 1_000_000
        alphabet, segments = count(text)
        detail = SmsDetail(segments, alphabet.value, None, report, 0)
        new = [
            NewMessage(self.resource, identifier, NUMBER, PEER, carrier, text.encode(), detail)
            for identifier in identifiers or [InteractionId(new_id(now)) for _ in range(count_)]
        ]
        await self.store.write(
            AcceptMessages(self.node, now, "request", expires, now + 30 * DAY, new, claimed=claimed)
        )
        return [Outbound(one.resource, one.id, one.own, one.peer, text, expires, 0) for one in new]

    async def view(self, message: Outbound | Key | Result | InteractionId) -> MessageView:
        """Look a message up."""
        if isinstance(message, Result):
            assert message.message_id is not None
            identifier = from_wire_id(message.message_id)
            assert identifier is not None
        elif isinstance(message, Outbound):
            identifier = message.id
        else:
            identifier = message[1] if isinstance(message, tuple) else message
        found = await self.store.read(Find(self.resource, identifier))
        assert found is not None
        return found

    async def state(self, message: Outbound | Key | Result) -> str:
        """Return a message's state."""
        return (await self.view(message)).message.state

    async def kinds(self, message: Outbound | Key | Result) -> list[str]:
        """Return the kinds of a message's timeline, in order."""
        return [entry.kind for entry in (await self.view(message)).timeline]


async def plane(store: Store, *, clock: Any = None, **changes: Any) -> Plane:
    """Return a plane on a store with the whole schema and no rows; its clock is a ManualClock."""
    clock = clock or ManualClock()
    node = await store.write(RegisterNode("test"))
    resource = ResourceId(new_id(clock.now()))
    await store.write(AcquireNumber(OwnedNumber(resource, NUMBER, CARRIER), clock.now()))
    return Plane(store, clock, node, resource, **changes)


async def settled(condition: Callable[[], bool]) -> None:
    """Let the loop turn until a condition holds; the store's threads work meanwhile."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


def receipt(remote_id: str, state: str = "DELIVRD", error: str = "000", **fields: Any) -> DeliverSm:
    """Return a receipt in the text form of Appendix B."""
    dates = "submit date:2601011200 done date:2601011201"
    text = f"id:{remote_id} sub:001 dlvrd:001 {dates} stat:{state} err:{error} text:Hi"
    return DeliverSm(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr=PEER[1:],
        dest_addr_ton=1,
        dest_addr_npi=1,
        destination_addr=NUMBER[1:],
        esm_class=int(fields.pop("esm_class", EsmClass.DELIVERY_RECEIPT)),
        short_message=text.encode(),
        **fields,
    )


def text(body: bytes = b"Hi", **fields: Any) -> DeliverSm:
    """Return a message from a handset to our number."""
    values: dict[str, Any] = {
        "source_addr_ton": 1,
        "source_addr_npi": 1,
        "source_addr": PEER[1:],
        "dest_addr_ton": 1,
        "dest_addr_npi": 1,
        "destination_addr": NUMBER[1:],
        "short_message": body,
    }
    return DeliverSm(**(values | fields))


__all__ = [
    "CARRIER",
    "NUMBER",
    "PEER",
    "CommandStatus",
    "FakeLink",
    "Plane",
    "Subscribers",
    "Tag",
    "Wanting",
    "plane",
    "receipt",
    "settled",
    "text",
]

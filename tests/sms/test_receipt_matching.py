"""Every receipt finds its part and no other, in each form that carriers spell ids in, declared or learned."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Final

import pytest
from sqlalchemy import func, select

from carriers.model.carrier import Carrier
from carriers.model.smpp import IdForm, ReceiptIds, SmppLink
from carriers.simulated.catalogue import PROFILES
from carriers.simulated.profiles import Profile
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.smsc import Smsc
from sms.inlet import Inlet
from sms.message import Outbound
from sms.receipt_learning import GRACE, RESPONSE_SECONDS
from sms.receipts import match_id
from sms.send import Options, Recipient, SendSms
from sms.service import SmsService
from sms.smpp.pdu import DeliverSm
from sms.store.submit import ClaimMessages, RecordOutcomes, Submitted
from sms.store.tables import early_receipts, parked_receipts, parts
from telephony.kernel.clock import SystemClock
from telephony.kernel.secret import Secret
from telephony.kernel.store import Store
from telephony.kernel.store.schema import interactions
from telephony.numbers.directory import NumberDirectory
from tests.support.promises import Report
from tests.support.scale import scale
from tests.support.sms import CARRIER, NUMBER, FakeLink, Plane, plane, receipt

pytestmark = pytest.mark.wire

FORMS: Final[dict[str, IdForm]] = {
    "receipt-ids-decimal": "decimal-to-hex",
    "receipt-ids-hex": "hex-to-decimal",
    "receipt-ids-padded": "same",
    "receipt-ids-stripped": "same",
    "receipt-ids-upper": "same",
    "receipt-ids-lower": "same",
    "receipt-ids-hex-padded": "hex-to-decimal",
    "receipt-ids-decimal-padded": "decimal-to-hex",
}
"""The simulated carrier's profiles for ids, and what an operator would declare."""

BATCH: Final = 100
"""Messages on their way at once."""


# --- against the store, with numbers from 1 on: in the wrong form nearly each names another message ---


@dataclass(frozen=True)
class Sent:
    """A part, and what its receipts say."""

    message: Outbound
    part: int
    of: int
    number: int

    @property
    def outcome(self) -> tuple[str, str]:
        """Every number has its own, as far as three digits go."""
        return ("UNDELIV" if self.number % 5 == 0 else "DELIVRD"), f"{self.number % 1000:03d}"

    def receipts(self, profile: Profile, random: Random) -> Iterator[DeliverSm]:
        spelled = profile.receipt_id.spell(self.number)
        if random.random() < 0.2:
            yield receipt(spelled, "ENROUTE")
        for _ in range(1 + (random.random() < 0.3)):
            yield receipt(spelled, *self.outcome)


async def _batch(on: Plane, first: int, random: Random) -> list[Sent]:
    """Return the parts of claimed messages, every fifth of two or three."""
    sent: list[Sent] = []
    for of in (1, 2, 3):
        count = {1: BATCH * 8 // 10, 2: BATCH // 10, 3: BATCH // 10}[of]
        for message in await on.accept("x" * (100 if of == 1 else 150 * of), count):
            sent += [Sent(message, part, of, 0) for part in range(1, of + 1)]
    keys = sorted({(one.message.resource, one.message.id) for one in sent})
    await on.store.write(ClaimMessages(on.node, on.clock.now(), keys))
    random.shuffle(sent)
    return [replace(one, number=first + index) for index, one in enumerate(sent)]


async def _responses(on: Plane, sent: list[Sent], profile: Profile, done: dict[bytes, int]) -> None:
    outcomes = []
    for one in sent:
        done[one.message.id] = done.get(one.message.id, 0) + 1
        outcomes.append(
            Submitted(
                (one.message.resource, one.message.id),
                one.part,
                one.of,
                CARRIER,
                "one",
                match_id(profile.response_id.spell(one.number)),
                on.clock.now(),
                done[one.message.id] == one.of,
                10**6,
            )
        )
    on.ended(await on.store.write(RecordOutcomes(on.finisher(), outcomes)))


async def _deliver(inlet: Inlet, pdus: list[DeliverSm]) -> None:
    link = FakeLink()
    for sequence, pdu in enumerate(pdus):
        inlet.delivered(link, pdu, sequence)
    await inlet.flush()
    assert {status for _, status in link.answers} <= {0}


async def _wrong(on: Plane, sent: list[Sent]) -> tuple[int, int]:
    """Return how many parts have another's receipt, and how many none."""
    columns = (parts.c.message, parts.c.part, parts.c.report)
    rows = await on.store.read(lambda tx: tx.execute(select(*columns)).all())
    reports = {(bytes(row.message), row.part): row.report for row in rows}
    said = [reports[one.message.id, one.part] for one in sent]
    missing = said.count(None)
    wrong = sum(
        report is not None and report != " ".join(one.outcome) for one, report in zip(sent, said, strict=True)
    )
    return wrong, missing


async def _count(on: Plane, table: Any) -> int:
    query = select(func.count()).select_from(table)
    return int(await on.store.read(lambda tx: tx.execute(query).scalar_one()))


@pytest.mark.promise("R17")
@pytest.mark.parametrize("setting", ["declared", "auto"])
@pytest.mark.parametrize("name", FORMS)
async def test_every_receipt_finds_its_part_whenever_it_comes(
    sqlite_store: Store, name: str, setting: str, promise: Report
) -> None:
    """Before the response, twice, out of order, of parts; all to one recipient, with the smallest ids."""
    profile, random = PROFILES[name], Random(name)
    form: ReceiptIds = "auto" if setting == "auto" else FORMS[name]
    on = await plane(sqlite_store, carrier=Carrier(receipt_id=form))
    inlet = on.inlet()
    await inlet.forms.start()
    sent: list[Sent] = []
    waiting: list[DeliverSm] = []
    done: dict[bytes, int] = {}
    least = scale(240, 12_500 if setting == "auto" else 100_000)  # auto: 100,000 in all forms together
    while len(sent) < least:
        batch = await _batch(on, len(sent) + 1, random)
        early = [one for one in batch if random.random() < 0.3]
        first = [pdu for one in early for pdu in one.receipts(profile, random)]
        random.shuffle(first)
        await _deliver(inlet, first)
        await _responses(on, batch, profile, done)
        waiting += [pdu for one in batch if one not in early for pdu in one.receipts(profile, random)]
        random.shuffle(waiting)
        now, waiting = waiting[len(batch) // 3 :], waiting[: len(batch) // 3]
        await _deliver(inlet, now)
        sent += batch
        on.clock.advance(1)
        await inlet.forms.sweep()
    await _deliver(inlet, waiting)
    on.clock.advance(RESPONSE_SECONDS * GRACE)
    await inlet.forms.sweep()
    await inlet.forms.sweep()
    wrong, missing = await _wrong(on, sent)
    promise(parts=len(sent), unmatched=missing, wrong=wrong)
    assert (wrong, missing) == (0, 0)
    assert inlet.forms.of("one").form == FORMS[name]
    assert await _count(on, early_receipts) + await _count(on, parked_receipts) == 0
    ended = select(func.count()).where(interactions.c.state.in_(["delivered", "failed"]))
    assert await on.store.read(lambda tx: tx.execute(ended).scalar_one()) == len(done)


# --- over real sockets ---

PATIENCE: Final = 1.5
"""Seconds until an answer counts as lost, of which the carrier of these tests loses none: as many as a slow
machine takes. How a carrier spells ids is learned only after so long, so no more either."""

OUTCOMES: Final = {
    "+12065550100": "delivered",
    "+12065550101": "failed",
    "+12065550104": "expired",
    "+12065550109": "delivered",  # its receipt comes twice
    "+12065550110": "delivered",  # its receipt comes before the response
}
"""The simulated carrier's numbers, and what becomes of a message to them."""


@dataclass
class House:
    """A service at a carrier that spells ids in a form."""

    on: Plane
    service: SmsService

    async def send(self, count: int) -> None:
        """Send so many messages, one in ten of three parts, as many to each number."""
        on = self.on
        verb = SendSms(
            store=on.store,
            clock=on.clock,
            node=on.node,
            numbers=NumberDirectory(on.store, on.clock),
            ways=on.router,
            settings=on.settings,
            offer=self.service.offer,
            backlog=self.service.backlog,
        )
        for index in range(count // 5):
            text = "x" * 400 if index % 10 == 0 else "Hello"
            recipients = [Recipient(to) for to in OUTCOMES]
            await verb(on.resource, NUMBER, recipients, text, Options(report=True), "request")

    async def states(self) -> dict[tuple[str, str], int]:
        """Return how many messages to each recipient have each state."""
        query = select(interactions.c.peer, interactions.c.state, func.count()).group_by(
            interactions.c.peer, interactions.c.state
        )
        rows = await self.on.store.read(lambda tx: tx.execute(query).all())
        return {(peer, state): count for peer, state, count in rows}


@asynccontextmanager
async def _house(store: Store, profile: Profile, setting: ReceiptIds) -> AsyncIterator[House]:
    clock: Any = SystemClock()
    on = await plane(store, clock=clock)
    accounts = {"tandem": SimulatedAccount(password=Secret("secret08"), profile=profile.name)}
    smsc = Smsc(SimulatedSettings(port=0, accounts=accounts, retry_seconds=(0.02, 0.1)), clock=clock)
    await smsc.start()
    link = SmppLink(
        host="127.0.0.1",
        port=smsc.port,
        system_id="tandem",
        password=Secret("secret08"),
        response_seconds=PATIENCE,
        reconnect_seconds=(0.01, 0.05),
    )
    service = SmsService(
        {CARRIER: Carrier(smpp={"one": link}, receipt_id=setting)},
        store=store,
        clock=clock,
        node=on.node,
        settings=on.settings,
        subscriptions=on.subscribers,
        enqueue=lambda _: None,
    )
    await service.start()
    try:
        yield House(on, service)
    finally:
        await service.stop()
        await smsc.stop()


@pytest.mark.promise("R17")
@pytest.mark.parametrize("setting", ["declared", "auto"])
@pytest.mark.parametrize("name", scale(sorted(FORMS)[1::3], list(FORMS)))
async def test_every_receipt_finds_its_message_over_real_sockets(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch, name: str, setting: str, promise: Report
) -> None:
    profile = replace(PROFILES[name], name="all-at-once", receipts=2, receipts_shuffled=True)
    monkeypatch.setitem(PROFILES, profile.name, profile)
    count = scale(40, 2_500)
    async with _house(sqlite_store, profile, "auto" if setting == "auto" else FORMS[name]) as house:
        await house.send(count)
        wanted = dict.fromkeys(OUTCOMES.items(), count // 5)
        async with asyncio.timeout(scale(60, 120)):
            while (states := await house.states()) != wanted:
                wrong = [
                    (to, state)
                    for to, state in states
                    if state in OUTCOMES.values() and OUTCOMES[to] != state
                ]
                assert wrong == []
                await house.service.sweep()
        promise(messages=count, wrong=0)
        await house.service.sweep()
        (status,) = await house.service.receipt_ids()
        assert (status.form, status.parked, status.unmatched) == (FORMS[name], 0, 0)

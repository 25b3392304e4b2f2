"""CPU per message of the message plane alone: accept, claim, submit, answer, receipt; no HTTP, no sockets.

    .venv/bin/python -m bench.sms_plane [--messages 20000] [--batch 100] [--url sqlite:///…]

A link that lives in this process answers everything at once and sends a receipt for each message. Printed:
messages a second, and CPU (all threads) a message, by who asked how: one recipient a request, or many.
"""

import argparse
import asyncio
import cProfile
import itertools
import pstats
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

from carriers.model.carrier import Carrier
from sms.send import Options, Recipient, SendSms
from sms.service import SmsService
from sms.settings import SmsSettings
from sms.smpp.constants import EsmClass, Tag
from sms.smpp.pdu import DeliverSm, SubmitSm
from tandem.schema import metadata
from telephony.kernel.clock import SystemClock
from telephony.kernel.e164 import E164
from telephony.kernel.ids import ResourceId, new_id
from telephony.kernel.store import Store
from telephony.kernel.store.leases import RegisterNode
from telephony.numbers.directory import NumberDirectory
from telephony.numbers.store import AcquireNumber, OwnedNumber
from telephony.routing.formats import USUAL
from telephony.routing.router import Router, Tables
from telephony.routing.rules import BY_NUMBER, Kind, Route, RouteSet
from telephony.routing.table import compile_table

CARRIER = "bench"
NUMBER = E164("+12065550199")


class InstantLink:
    """A link whose carrier is this process."""

    def __init__(self, window: int) -> None:
        self.name = "bench"
        self.window = window
        self.outstanding = 0
        self.bound = True
        self.traffic: Any = None
        self.receipts = 0
        self.finished = asyncio.Event()
        self.wanted = 0
        self._ids = itertools.count(1)
        self._queue: list[tuple[SubmitSm, object]] = []

    @property
    def room(self) -> int:
        return self.window - self.outstanding

    def submit(self, pdu: SubmitSm, token: object) -> None:
        self.outstanding += 1
        if not self._queue:
            asyncio.get_running_loop().call_soon(self._answer)
        self._queue.append((pdu, token))

    def _answer(self) -> None:
        queue, self._queue = self._queue, []
        receipts = []
        for pdu, token in queue:
            remote_id = f"{next(self._ids):x}"
            self.outstanding -= 1
            self.traffic.submit_answered(self, token, 0, remote_id)
            receipts.append(_receipt(pdu, remote_id))
        self.traffic.window_open(self)
        for number, receipt in enumerate(receipts):
            self.traffic.delivered(self, receipt, number)

    def answer_deliver(self, sequence: int, status: int) -> None:
        self.receipts += status == 0
        if self.receipts >= self.wanted:
            self.finished.set()


def _receipt(pdu: SubmitSm, remote_id: str) -> DeliverSm:
    return DeliverSm(
        source_addr=pdu.destination_addr,
        destination_addr=pdu.source_addr,
        esm_class=int(EsmClass.DELIVERY_RECEIPT),
        short_message=b"id:%s sub:001 dlvrd:001 stat:DELIVRD err:000 text:" % remote_id.encode(),
        tlvs=((int(Tag.RECEIPTED_MESSAGE_ID), remote_id.encode() + b"\0"), (int(Tag.MESSAGE_STATE), b"\x02")),
    )


class Nobody:
    """No subscriptions."""

    def matching(self, resource: ResourceId, event_type: str) -> Sequence[Any]:
        return ()


def _by_number() -> Router:
    """Return a router with the routes of a first start."""
    router = Router()
    rules = RouteSet(routes=(Route(id="by-the-number", kind=Kind.SMS, target=BY_NUMBER),))
    router.tables = Tables(compile_table(rules, {CARRIER: USUAL}), 1)
    return router


async def measure(url: str, messages: int, batch: int, window: int, profile: bool) -> None:
    clock = SystemClock()
    store = Store(url)
    metadata.create_all(store.engine)
    store.start()
    node = await store.write(RegisterNode("bench"))
    resource = ResourceId(new_id(clock.now()))
    await store.write(AcquireNumber(OwnedNumber(resource, NUMBER, CARRIER), clock.now()))
    settings = SmsSettings()
    service = SmsService(
        {CARRIER: Carrier()},
        store=store,
        clock=clock,
        node=node,
        settings=settings,
        subscriptions=Nobody(),
        enqueue=lambda _: None,
    )
    link = InstantLink(window)
    traffic = service._carriers[CARRIER]  # noqa: SLF001 - a link of ours instead of SMPP's
    traffic.links = [link]  # type: ignore[list-item]
    link.traffic = traffic
    await traffic.dispatcher.start([link])
    send = SendSms(
        store=store,
        clock=clock,
        node=node,
        numbers=NumberDirectory(store, clock),
        ways=_by_number(),
        settings=settings,
        offer=service.offer,
        reserve=service.reserve,
        backlog=service.backlog,
    )

    async def client(count: int) -> None:
        recipients = [Recipient(f"+1206555{number:04}") for number in range(batch)]
        for _ in range(count):
            await send(resource, NUMBER, recipients, "Hello from the bench", Options(report=True), "bench")

    clients = max(1, min(64, 256 // batch))
    each = max(1, messages // batch // clients)
    total = each * clients * batch
    link.wanted = total
    profiler = cProfile.Profile()
    wall, cpu = time.perf_counter(), time.process_time()
    if profile:
        profiler.enable()
    await asyncio.gather(*(client(each) for _ in range(clients)))
    accepted = time.perf_counter() - wall
    await link.finished.wait()
    if profile:
        profiler.disable()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(
        f"{batch:4} recipients a request: {total} messages, {total / wall:7.0f}/s, "
        f"accepted in {accepted:.2f} s, done in {wall:.2f} s, "
        f"{cpu / total * 1e6:6.1f} us CPU a message, {store.groups} groups"
    )
    await traffic.dispatcher.stop()
    await asyncio.to_thread(store.stop)
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--batch", type=int, nargs="*", default=[100, 1])
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--url", default="")
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    for batch in args.batch:
        with tempfile.TemporaryDirectory() as folder:
            url = args.url or f"sqlite:///{Path(folder) / 'bench.db'}"
            uvloop.run(measure(url, args.messages, batch, args.window, args.profile))


if __name__ == "__main__":
    main()

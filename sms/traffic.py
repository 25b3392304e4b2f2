"""One carrier while the node works: its dispatcher, its inlet, its links, and how they follow a change.

When a carrier's links alone change, those links are replaced and all else goes on: a new one binds first, an
old one takes no more, waits for the answers that are still to come, and unbinds. When the carrier wants
things otherwise, all of it is made anew: the old one gives back to the store what it had not sent.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from msgspec.structs import replace

from carriers.model.carrier import Carrier
from carriers.model.limits import CarrierLimits
from carriers.model.smpp import SmppLink
from sms.backlog_metrics import COLLECTOR as BACKLOG
from sms.dispatch import Dispatcher
from sms.inlet import Inlet
from sms.outgoing import Unit
from sms.receipt_learning import RESPONSE_SECONDS
from sms.receipt_metrics import COLLECTOR as RECEIPTS
from sms.smpp.link import Link
from sms.smpp.pdu import DeliverSm
from sms.smpp.terms import Terms
from telephony.kernel.clock import Clock

STOP_SECONDS: Final = 5.0
"""How long answers that are still to come are waited for when a link or the node stops."""


class CarrierTraffic:
    """Implements `sms.smpp.link.LinkHandler`. `start`, `change_links` as often as wanted, then `stop`."""

    def __init__(
        self, name: str, carrier: Carrier, dispatcher: Dispatcher, inlet: Inlet, clock: Clock
    ) -> None:
        """Raises ConfigurationError for a link that no message could be sent with."""
        self.name, self.carrier = name, carrier
        self.dispatcher = dispatcher
        self.inlet = inlet
        self.started = False
        """Whether it took over what waits in the store."""
        self._clock = clock
        self._running: dict[Link, asyncio.Task[None]] = {}
        self._leaving: set[Link] = set()
        self.links: list[Link] = self._made(carrier.smpp)

    async def start(self) -> None:
        """Take over what waits in the store, then bind. Raises Unavailable; then it may be called again."""
        await self.inlet.forms.start()
        await self.dispatcher.start(self.links)
        BACKLOG.watch(self.name, self.dispatcher.counts)
        self.started = True
        self._run(self.links)

    async def change_links(self, carrier: Carrier) -> None:
        """Serve the links of `carrier`, which is the same but for them (see `same_but_links`)."""
        before = {link.name: link for link in self.links}
        gone = [link for link in self.links if carrier.smpp.get(link.name) != link.settings]
        added = self._made({name: each for name, each in carrier.smpp.items() if name not in before})
        self.links = [*self.links, *added]
        self.dispatcher.take_links(self.links, carrier)
        self._run(added)
        await self._stop(gone)
        replaced = self._made(
            {link.name: carrier.smpp[link.name] for link in gone if link.name in carrier.smpp}
        )
        kept = {link.name: link for link in (*self.links, *replaced) if link not in gone}
        self.links = [kept[name] for name in carrier.smpp]
        self.dispatcher.take_links(self.links, carrier)
        self._run(replaced)
        self.carrier = carrier

    def drain(self) -> None:
        """Send nothing new; what links lose from now on, they lose because we want it."""
        self.dispatcher.drain()
        self.inlet.drain()

    async def stop(self) -> None:
        """Send nothing new, wait for what is on the wire, keep every answer, unbind, give the rest back."""
        self.drain()
        await self._stop(list(self.links))
        await self.inlet.stop()
        await self.dispatcher.stop(STOP_SECONDS)

    def forget(self) -> None:
        """Show it in no metrics any more: the carrier is gone."""
        BACKLOG.forget(self.name)
        RECEIPTS.forget(self.name)

    async def _stop(self, links: list[Link]) -> None:
        self._leaving.update(links)
        await asyncio.gather(*(link.stop(STOP_SECONDS) for link in links))
        tasks = [self._running.pop(link) for link in links if link in self._running]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._leaving.difference_update(links)

    def _made(self, links: Mapping[str, SmppLink]) -> list[Link]:
        return [Link(link, self.name, settings, self, clock=self._clock) for link, settings in links.items()]

    def _run(self, links: list[Link]) -> None:
        for link in links:
            self._running[link] = asyncio.create_task(link.run(), name=f"link:{link.name}")

    # --- what links say ---

    def link_bound(self, link: Link) -> None:
        """See `LinkHandler`."""
        self.dispatcher.pump_soon()

    def link_lost(self, link: Link, reason: str) -> None:
        """See `LinkHandler`."""
        if link not in self._leaving:  # whatever was answered on one that we unbound is answered
            self.inlet.link_lost(link.name)
        self.dispatcher.pump_soon()

    def window_open(self, link: Link) -> None:
        """See `LinkHandler`."""
        self.dispatcher.pump_soon()

    def submit_answered(self, link: Link, token: Any, status: int, message_id: str) -> None:  # noqa: ANN401
        """See `LinkHandler`."""
        unit: Unit = token
        self.dispatcher.submit_answered(link, unit, status, message_id)

    def submit_lost(self, link: Link, token: Any, reason: str) -> None:  # noqa: ANN401
        """See `LinkHandler`."""
        unit: Unit = token
        self.dispatcher.submit_lost(link, unit, reason)

    def delivered(self, link: Link, pdu: DeliverSm, sequence: int) -> None:
        """See `LinkHandler`."""
        self.inlet.delivered(link, pdu, sequence)


def check_carrier(name: str, carrier: Carrier) -> None:
    """Raise ConfigurationError, naming the key, for a link that no message could be sent with."""
    for link, settings in carrier.smpp.items():
        Terms(settings, key=f"carriers.{name}.smpp.{link}")


def same_but_links(one: Carrier, other: Carrier) -> bool:
    """Tell whether messages go by two carriers in the same way, but for which links there are.

    What a link has of its own in rates and receipts is the carrier's business: those are counted together.
    """
    return _without_links(one) == _without_links(other) and _of_links(one) == _of_links(other)


def _without_links(carrier: Carrier) -> Carrier:
    limits = CarrierLimits(texts_per_second=carrier.limits.texts_per_second)
    usual = Carrier()
    return replace(
        carrier,
        smpp={},
        sip={},
        numbers={},
        limits=limits,
        codecs=usual.codecs,
        quirks=(),
        rates="",
        profile="",
    )


def _of_links(carrier: Carrier) -> tuple[object, ...]:
    links = carrier.smpp
    return (
        {name: link.per_second for name, link in links.items() if link.per_second is not None},
        {name: link.receipt_id for name, link in links.items() if link.receipt_id is not None},
        max((link.response_seconds for link in links.values()), default=RESPONSE_SECONDS),
    )

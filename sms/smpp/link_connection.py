"""One connection of a link: what it tells its link, and what a message by data_sm is made into."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sms.smpp.connection import Connection
from sms.smpp.events import Closed, Event, Noticed
from sms.smpp.pdu import DataSm, DeliverSm, Pdu
from sms.smpp.session import Session
from telephony.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a connection tells its link."""

    happened: "Callable[[LinkConnection, Event], None]"
    ended: "Callable[[LinkConnection, Closed], None]"
    batch_done: "Callable[[LinkConnection], None]"
    paused: Callable[[], None]


class LinkConnection(Connection):
    """One connection of a link. `epoch` is in the handle of each deliver_sm: an answer that comes after a
    reconnect cannot answer another message."""

    def __init__(self, session: Session, clock: Clock, epoch: int, hooks: Hooks) -> None:
        super().__init__(session, clock)
        self.epoch: Final = epoch
        self.bound_at: float | None = None
        self.arrived: Callable[[], None] | None = None
        """Who wants to know that it stands; `noticed`: who wants to know of outbind."""
        self.noticed: Callable[[Pdu], None] | None = None
        self._hooks = hooks

    def give_up(self) -> None:
        """End without a word to anybody: it never became a bind."""
        self.session.connection_lost("given up")
        self.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.arrived is not None:
            self.arrived()

    def happened(self, event: Event) -> None:
        if isinstance(event, Noticed):
            if self.noticed is not None:
                self.noticed(event.pdu)
            return
        self._hooks.happened(self, event)

    def ended(self, event: Closed) -> None:
        self._hooks.ended(self, event)

    def batch_done(self) -> None:
        self._hooks.batch_done(self)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._hooks.paused()


def as_deliver_sm(pdu: DataSm) -> DeliverSm:
    """Some SMSCs deliver by data_sm (§4.7): the same thing, with the text in message_payload."""
    return DeliverSm(
        service_type=pdu.service_type,
        source_addr_ton=pdu.source_addr_ton,
        source_addr_npi=pdu.source_addr_npi,
        source_addr=pdu.source_addr,
        dest_addr_ton=pdu.dest_addr_ton,
        dest_addr_npi=pdu.dest_addr_npi,
        destination_addr=pdu.destination_addr,
        esm_class=pdu.esm_class,
        registered_delivery=pdu.registered_delivery,
        data_coding=pdu.data_coding,
        tlvs=pdu.tlvs,
    )

"""One try of a delivery, and what it says: a request of which nearly all was made before."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

from telephony.events.event import EventSchema, constant_headers, header_line
from telephony.events.lanes import Lane
from telephony.events.signing import signature_lines
from telephony.events.store import Delivery
from telephony.events.subscriptions import Subscription
from telephony.kernel.clock import SECOND
from telephony.kernel.http.outbound import GuardedClient, Opening, OutboundReply
from telephony.kernel.http.outbound_connections import Connection

Landed = Callable[["Attempt", OutboundReply | Exception], None]
"""Is told what became of a try that was begun without a task."""


@dataclass(frozen=True, slots=True)
class Way:
    """How every request of a subscription begins, as long as the subscription stays as it is."""

    subscription: Subscription
    opening: Opening

    @classmethod
    def of(cls, subscription: Subscription, client: GuardedClient) -> Self:
        """Raises DestinationRefused."""
        headers = constant_headers(subscription.schema, subscription.name)
        return cls(subscription, client.opening("POST", subscription.url, headers))

    def rest(self, delivery: Delivery, sent: int) -> bytes:
        """Return what follows when it is sent at `sent`. Raises ValueError for an id that is no header."""
        return b"%b%bContent-Length: %d\r\n\r\n%b" % (
            _lines(self.subscription.schema, delivery.attempts, delivery.data_version),
            signature_lines(
                self.subscription.keys_at(sent), delivery.event_id, sent // SECOND, delivery.payload
            ),
            len(delivery.payload),
            delivery.payload,
        )


class Attempt:
    """One try of one delivery."""

    __slots__ = ("_landed", "began", "connection", "delivery", "lane", "probing", "subscription")

    def __init__(self, lane: Lane, delivery: Delivery, landed: Landed, *, probing: bool) -> None:
        self.lane, self.delivery, self.probing = lane, delivery, probing
        self._landed = landed
        self.subscription: Subscription | None = None
        self.connection: Connection | None = None
        """The kept connection that it is on; None: a task sees to it."""
        self.began = 0.0
        """On the monotonic clock."""

    def ended(self, result: OutboundReply | Exception) -> None:
        """The connection says what came of it."""
        self._landed(self, result)


@lru_cache(maxsize=256)
def _lines(schema: EventSchema, delivery_count: int, data_version: str) -> bytes:
    """Return the headers that change; `delivery_count` is 0 at the first try, as Event Grid counts."""
    lines = header_line("aeg-delivery-count", str(delivery_count))
    if schema is EventSchema.EVENT_GRID:
        lines += header_line("aeg-data-version", data_version)
    return lines

"""What an operator may set about webhooks."""

from typing import Annotated

from msgspec import Meta, Struct


class EventSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Webhooks: how many at once, how much is kept."""

    timeout_seconds: Annotated[float, Meta(gt=0, le=30)] = 30.0
    """How long an endpoint may take to answer; 30 s is Event Grid's."""
    concurrency: Annotated[int, Meta(ge=1, le=1000)] = 16
    """Deliveries at once to one subscription's endpoint."""
    queue: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """Deliveries of one subscription that wait in memory; the rest wait in the store."""
    queue_total: Annotated[int, Meta(ge=1, le=1_000_000)] = 20_000
    """Deliveries of all subscriptions in memory: some 1 kB each."""
    https_only: bool = True
    """Refuse http:// endpoints, except on this machine itself: events carry what people wrote."""
    public_origin: str = ""
    """`https://host:port` under which receivers reach this gateway for the manual handshake; empty: as the
    administrator addressed it."""
    delivered_hours: Annotated[float, Meta(ge=0, le=24 * 365)] = 0.0
    """How long a delivery's row, with what was sent, is kept once it was accepted; its timeline entry stays.
    0: not at all, which also costs the least."""
    dead_days: Annotated[float, Meta(ge=0, le=365)] = 30.0
    """How long a dead letter is kept."""

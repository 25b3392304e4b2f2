"""What an operator may set about messages."""

from typing import Annotated

from msgspec import Meta, Struct

from sms.compliance.settings import ComplianceSettings
from sms.reassembly import ReassemblySettings


class SmsSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Messages: how long they live, how many may wait."""

    validity_seconds: Annotated[int, Meta(ge=60, le=7 * 86400)] = 86400
    """How long a message that cannot be submitted is kept before it expires."""
    report_seconds: Annotated[int, Meta(ge=60, le=7 * 86400)] = 2 * 86400
    """How long a receipt may take, unless the request says otherwise."""
    attempts: Annotated[int, Meta(ge=1, le=100)] = 8
    """Tries of a part that the carrier refuses for the moment; being throttled does not count."""
    failover_seconds: Annotated[float, Meta(ge=1, le=86_400)] = 10.0
    """How long none of a carrier's links has to be bound until messages that it does not have move to the
    next carrier that takes them."""
    poison_after: Annotated[int, Meta(ge=2, le=100)] = 3
    """Connections lost one after the other with the same part unanswered, at the least, after which its
    message fails: the carrier trips over it. The last time it is sent alone, so that no other message is
    blamed; and while a carrier answers nothing else, none is."""
    max_backlog: Annotated[int, Meta(ge=1)] = 500_000
    """Messages of one node that may wait for the carriers; beyond, requests get 429."""
    sender_backlog_percent: Annotated[int, Meta(ge=1, le=100)] = 50
    """How much of that the messages of one sender to one carrier may be; beyond, its requests get 429. 100:
    all of it."""
    max_in_memory: Annotated[int, Meta(ge=100)] = 20_000
    """Messages waiting in memory; the rest waits in the store only."""
    body_days: Annotated[int, Meta(ge=0)] = 30
    """How long texts are kept. What was sent when, and what became of it, is kept longer."""
    protocol_ids: Annotated[tuple[Annotated[int, Meta(ge=1, le=255)], ...], Meta(max_length=255)] = ()
    """Values of protocol_id other than 0 that applications may ask for: 127 is data for the SIM, 64 a message
    that no handset shows. Empty: none."""
    compliance: ComplianceSettings = ComplianceSettings()
    reassembly: ReassemblySettings = ReassemblySettings()

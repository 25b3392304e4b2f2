"""When a submit_sm is due, and until when it is valid (SMPP 3.4 §5.2.15, §5.2.16). Pure."""

from dataclasses import dataclass

from sms.smpp.constants import CommandStatus
from sms.smpp.pdu import SubmitSm
from sms.smpp.times import parse_time


@dataclass(frozen=True, slots=True)
class Plan:
    """Times in microseconds UTC."""

    begin: int
    """When it is delivered at the earliest."""
    until: int | None
    """When it expires; None: not before the carrier's own time."""
    status: int = CommandStatus.ESME_ROK
    """Why it is refused."""


def plan_of(pdu: SubmitSm, now: int) -> Plan:
    """Return the plan of a submit_sm that came at `now`."""
    begin, until = now, None
    if pdu.schedule_delivery_time:
        at = parse_time(pdu.schedule_delivery_time, now)
        if at is None:
            return Plan(now, None, CommandStatus.ESME_RINVSCHED)
        begin = max(now, at)
    if pdu.validity_period:
        until = parse_time(pdu.validity_period, now)
        if until is None or until <= begin:
            return Plan(now, None, CommandStatus.ESME_RINVEXPIRY)
    return Plan(begin, until)

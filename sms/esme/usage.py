"""What accounts use of what they have: for those who look after them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct
from sqlalchemy import Connection, func, select

from sms.esme.presence import BindsOverall
from sms.esme.tables import outbox, quotas
from sms.smpp.reception import Counts, Reception
from telephony.kernel.clock import DAY
from telephony.kernel.ids import ResourceId


@dataclass(frozen=True, slots=True)
class Usage:
    """Of the accounts of a resource, by system_id; none stands there that has nothing."""

    binds: Mapping[str, int] = field(default_factory=dict)
    """At all gateways, where several share the database."""
    quota_used: Mapping[str, int] = field(default_factory=dict)
    """submit_sm of today (UTC), of those that have a quota."""
    waiting: Mapping[str, int] = field(default_factory=dict)
    """deliver_sm that they are still to take."""


@dataclass(frozen=True, slots=True)
class FindUsage:
    """A query for it."""

    resource: ResourceId
    now: int

    def __call__(self, tx: Connection) -> Usage:
        """Return it."""
        used = select(quotas.c.system_id, quotas.c.used).where(
            quotas.c.resource == self.resource, quotas.c.day == self.now // DAY
        )
        waiting = (
            select(outbox.c.system_id, func.count())
            .where(outbox.c.resource == self.resource, outbox.c.expires > self.now)
            .group_by(outbox.c.system_id)
        )
        return Usage(
            BindsOverall(self.resource)(tx),
            {row[0]: row[1] for row in tx.execute(used)},
            {row[0]: row[1] for row in tx.execute(waiting)},
        )


class AccountUse(Struct, frozen=True, rename="camel"):
    """What an account has and did. The first six numbers are this gateway's, since its start."""

    binds: int
    """Now."""
    submitted: int
    """submit_sm and data_sm."""
    throttled: int
    """Requests beyond its rate."""
    enquiries: int
    """query_sm, cancel_sm, replace_sm."""
    delivered: int
    """deliver_sm that it took."""
    refused_binds: int
    binds_overall: int
    """Now, at all gateways of the database."""
    quota_used: int
    """submit_sm of today (UTC), of an account that has a quota."""
    waiting: int
    """deliver_sm that it is still to take, receipts and messages."""


def use_of(system_id: str, usage: Usage, reception: Reception | None) -> AccountUse:
    """Return what an account has and did; `reception` is this gateway's, if it takes binds."""
    counts = Counts() if reception is None else reception.counts().get(system_id, Counts())
    binds = 0 if reception is None else reception.binds().get(system_id, 0)
    return AccountUse(
        binds,
        counts.submitted,
        counts.throttled,
        counts.enquiries,
        counts.delivered,
        counts.refused_binds,
        max(binds, usage.binds.get(system_id, 0)),
        usage.quota_used.get(system_id, 0),
        usage.waiting.get(system_id, 0),
    )

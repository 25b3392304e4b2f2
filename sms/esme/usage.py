"""What accounts use of what they have: for those who look after them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from sms.esme.presence import BindsOverall
from sms.esme.tables import outbox, quotas
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

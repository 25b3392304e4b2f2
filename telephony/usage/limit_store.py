"""What operators changed of resources' limits, in the store: only that, so that defaults may change below."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, insert, select, update

from telephony.kernel.errors import InvalidRequest
from telephony.kernel.ids import ResourceId
from telephony.usage import revisions
from telephony.usage.destinations import INTERNATIONAL, is_country
from telephony.usage.settings import ANY, OWN, LimitSettings, merged
from telephony.usage.tables import resource_limits

Changed = Mapping[str, Any]
"""Limits by name."""


@dataclass(frozen=True, slots=True)
class ChangeLimits:
    """Change some of a resource's limits; None gives one back to the default. Returns what is changed now.

    Raises InvalidRequest for a country that there is not.
    """

    resource: ResourceId
    changes: Changed
    defaults: LimitSettings
    now: int

    def __call__(self, tx: Connection) -> Changed:
        """See the class."""
        for country in self.changes.get("countries") or ():
            if country not in (OWN, ANY, INTERNATIONAL) and not is_country(country):
                raise InvalidRequest(f"countries: There is no country {country}.", target="countries")
        query = select(resource_limits).where(resource_limits.c.resource == self.resource)
        if tx.dialect.name == "postgresql":
            query = query.with_for_update()
        row = tx.execute(query).first()
        before: dict[str, Any] = {} if row is None else msgspec.json.decode(row.changed)
        after = {name: value for name, value in {**before, **self.changes}.items() if value is not None}
        merged(self.defaults, after)  # raises when it cannot be
        values = {"changed": msgspec.json.encode(after), "updated": self.now}
        if row is None:
            tx.execute(insert(resource_limits).values(resource=self.resource, version=1, **values))
        else:
            mine = resource_limits.c.resource == self.resource
            tx.execute(update(resource_limits).where(mine).values(version=row.version + 1, **values))
        revisions.touch(tx, revisions.LIMITS)
        return after


def read_limits(tx: Connection) -> dict[ResourceId, Changed]:
    """Return what is changed, for every resource for which something is."""
    return {
        ResourceId(bytes(row.resource)): msgspec.json.decode(row.changed)
        for row in tx.execute(select(resource_limits))
    }

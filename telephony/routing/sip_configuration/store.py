"""`/sip` in the store: jobs and queries."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from telephony.kernel.errors import Conflict, InvalidRequest
from telephony.kernel.ids import ResourceId
from telephony.resources.audit import AuditSettings, Change, record
from telephony.routing.sip_configuration.configuration import EMPTY, SipConfiguration
from telephony.routing.sip_configuration.entrance import EnabledName, Network
from telephony.routing.sip_configuration.tables import sip_configurations, sip_trunks_enabled

MAX_ENABLED: Final = 1_000
"""Names that are enabled for a resource: four times the trunks it can have."""

_decode: Final = msgspec.json.Decoder(SipConfiguration).decode
_kept, _enabled = sip_configurations.c, sip_trunks_enabled.c


@dataclass(frozen=True, slots=True)
class Stored:
    """A resource's configuration and how often it changed; 0: never."""

    version: int
    configuration: SipConfiguration


NEVER_SET: Final = Stored(0, EMPTY)


@dataclass(frozen=True, slots=True)
class Save:
    """Job: replace a configuration that is at version `before`, with its audit record.

    Returns whether it was; if not, somebody else changed it and nothing was written.
    """

    resource: ResourceId
    before: int
    configuration: SipConfiguration
    change: Change
    now: int
    audit: AuditSettings

    def __call__(self, tx: Connection) -> bool:
        """See the class."""
        values = {
            "version": self.before + 1,
            "configuration": msgspec.json.encode(self.configuration),
            "updated": self.now,
        }
        if self.before == 0:
            try:
                with tx.begin_nested():
                    tx.execute(insert(sip_configurations).values(resource=self.resource, **values))
            except IntegrityError:
                return False
        else:
            changed = (
                update(sip_configurations)
                .where(_kept.resource == self.resource, _kept.version == self.before)
                .values(**values)
            )
            if tx.execute(changed).rowcount == 0:
                return False
        record(tx, self.change, self.now, days=self.audit.days)
        return True


@dataclass(frozen=True, slots=True)
class EnableName:
    """Job: let a resource use an SBC of this name, folded, which may come in from some addresses.

    `addresses` None leaves those of a name that is enabled already, and is none of a new one. Raises Conflict
    when another resource uses the name or one of the addresses, InvalidRequest beyond `MAX_ENABLED`.
    """

    resource: ResourceId
    fqdn: str
    now: int
    addresses: tuple[Network, ...] | None = None

    def __call__(self, tx: Connection) -> None:
        """See the class."""
        self._check_addresses(tx)
        owner = tx.scalar(select(_enabled.resource).where(_enabled.fqdn == self.fqdn))
        if owner is None:
            count = select(func.count()).where(_enabled.resource == self.resource)
            if (tx.scalar(count) or 0) >= MAX_ENABLED:
                text = f"At most {MAX_ENABLED} names are enabled for a resource; disable one."
                raise InvalidRequest(text, target="fqdn")
            listed = " ".join(map(str, self.addresses or ()))
            row = {"resource": self.resource, "fqdn": self.fqdn, "at": self.now, "addresses": listed}
            try:
                with tx.begin_nested():
                    tx.execute(insert(sip_trunks_enabled).values(**row))
            except IntegrityError:  # another gateway was faster
                owner = tx.scalar(select(_enabled.resource).where(_enabled.fqdn == self.fqdn))
        if owner is not None and bytes(owner) != self.resource:
            text = "This name is enabled for another resource: what comes from an SBC is of one alone."
            raise Conflict(text, target="fqdn")
        if owner is not None and self.addresses is not None:
            listed = " ".join(map(str, self.addresses))
            mine = (_enabled.resource == self.resource, _enabled.fqdn == self.fqdn)
            tx.execute(update(sip_trunks_enabled).where(*mine).values(addresses=listed))

    def _check_addresses(self, tx: Connection) -> None:
        """Refuse addresses of another resource's SBC: what comes from them could be of either."""
        if not self.addresses:
            return
        others = select(_enabled.addresses).where(
            _enabled.resource != self.resource, _enabled.addresses != ""
        )
        for text in tx.scalars(others):
            for known in listed_in(text):
                for place, one in enumerate(self.addresses):
                    if one.version == known.version and one.overlaps(known):
                        words = f"{one} is listed for an SBC of another resource."
                        raise Conflict(words, target=f"addresses[{place}]")


@dataclass(frozen=True, slots=True)
class DisableName:
    """Job: let a resource not use an SBC of this name, folded, any more; returns whether it could."""

    resource: ResourceId
    fqdn: str

    def __call__(self, tx: Connection) -> bool:
        """See the class."""
        mine = (_enabled.resource == self.resource, _enabled.fqdn == self.fqdn)
        return tx.execute(delete(sip_trunks_enabled).where(*mine)).rowcount > 0


def find(resource: ResourceId) -> Callable[[Connection], Stored]:
    """Return the query for a resource's configuration."""
    query = select(_kept.version, _kept.configuration).where(_kept.resource == resource)

    def run(tx: Connection) -> Stored:
        row = tx.execute(query).first()
        return NEVER_SET if row is None else Stored(row.version, _decode(row.configuration))

    return run


@dataclass(frozen=True, slots=True)
class EnabledSince:
    """A name that is enabled."""

    at: int
    addresses: tuple[Network, ...]


def find_enabled(resource: ResourceId) -> Callable[[Connection], dict[str, EnabledSince]]:
    """Return the query for the names that are enabled for a resource."""
    query = select(sip_trunks_enabled).where(_enabled.resource == resource).order_by(_enabled.fqdn)
    return lambda tx: {row.fqdn: EnabledSince(row.at, listed_in(row.addresses)) for row in tx.execute(query)}


def listed_in(text: str) -> tuple[Network, ...]:
    """Return the addresses in a column."""
    return tuple(ip_network(each) for each in text.split())


@dataclass(frozen=True, slots=True)
class InForce:
    """What there is for all resources together."""

    versions: dict[ResourceId, int]
    enabled: dict[ResourceId, dict[str, EnabledName]]
    """By resource and name."""


def find_in_force(tx: Connection) -> InForce:
    """Query: the versions of all configurations, and the names that are enabled by resource."""
    versions = {
        ResourceId(bytes(row.resource)): int(row.version)
        for row in tx.execute(select(_kept.resource, _kept.version))
    }
    enabled: dict[ResourceId, dict[str, EnabledName]] = {}
    for row in tx.execute(select(_enabled.resource, _enabled.fqdn, _enabled.addresses)):
        name = EnabledName(row.fqdn, listed_in(row.addresses))
        enabled.setdefault(ResourceId(bytes(row.resource)), {})[row.fqdn] = name
    return InForce(versions, enabled)

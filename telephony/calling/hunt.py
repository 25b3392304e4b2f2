"""Which trunks a call tries, one after the other (R8). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import inf, log

from telephony.calling.failover import Fault, tries_next, why_not
from telephony.calling.ports import CarrierFacts, TrunkFacts, Trunks
from telephony.kernel.ids import ResourceId, to_text
from telephony.routing.formats import written
from telephony.routing.voice import VoiceWays, Whose


@dataclass(frozen=True, slots=True)
class Way:
    """A trunk to try."""

    carrier: CarrierFacts
    trunk: TrunkFacts
    number: str
    """As the trunk wants it."""
    sender: str
    """As the trunk wants it."""
    shown: str
    """The caller in E.164, which has to be the resource's own or verified."""
    route: str = ""
    prefix: str = ""
    up: bool = True
    privacy: bool = False


def own_carrier(resource: ResourceId) -> str:
    """Return what the carrier of a resource's own SBCs is called."""
    return f"resource:{to_text(resource)}"


def ways_of(found: VoiceWays, trunks: Trunks, resource: ResourceId, sender: str, seed: bytes) -> list[Way]:
    """Return the trunks that a decision leads to, in the order in which they are to be tried."""
    ways: list[Way] = []
    for each in found.ways:
        if each.whose is Whose.RESOURCE:
            carrier = trunks.carrier(own_carrier(resource))
            if carrier is None:
                continue
            own = [one for one in carrier.trunks if one.trunk.name == each.target]
            hidden = each.trunk is not None and each.trunk.privacy_header == "ID"
            ways += [
                Way(
                    carrier,
                    one,
                    each.destination,
                    each.sender,
                    each.sender,
                    each.route,
                    each.prefix,
                    each.up and one.up,
                    hidden,
                )
                for one in own
            ]
            continue
        carrier = trunks.carrier(each.target)
        if carrier is None:
            continue
        ways += [
            Way(
                carrier,
                one,
                each.destination,
                each.sender,
                sender,
                each.route,
                each.prefix,
                each.up and one.up,
            )
            for one in in_order(carrier.trunks, seed)
        ]
    ways.sort(key=lambda way: not way.up)  # stable: the order stays within both
    return ways


def emergency_ways(trunks: Trunks, digits: str, sender: str, own: str, seed: bytes) -> list[Way]:
    """Return the trunks that take emergency calls: that of the caller's own carrier first."""
    carriers = sorted(trunks.carriers(), key=lambda carrier: (carrier.name != own, carrier.name))
    ways = [
        Way(
            carrier, one, digits, written(sender, carrier.formats.sender), sender, "emergency", digits, one.up
        )
        for carrier in carriers
        for one in in_order([each for each in carrier.trunks if each.emergency], seed)
    ]
    ways.sort(key=lambda way: not way.up)
    return ways


def in_order(trunks: Sequence[TrunkFacts], seed: bytes) -> list[TrunkFacts]:
    """Return a carrier's trunks: by priority, then drawn by weight; the same for the same seed (RFC 2782)."""

    def rank(one: TrunkFacts) -> tuple[int, float, str]:
        name = one.trunk.name
        digest = blake2b(name.encode(), digest_size=8, key=seed[:64]).digest()
        share = (int.from_bytes(digest, "big") + 1) / 2**64
        return one.priority, -log(share) / one.weight if one.weight else inf, name

    return sorted(trunks, key=rank)


@dataclass(slots=True)
class Hunt:
    """A call's way through its trunks."""

    ways: list[Way]
    attempts: int = 0
    """Trunks that were asked."""
    now: Way | None = None
    """The one that is being asked."""
    any_up: bool = field(init=False)

    def __post_init__(self) -> None:
        self.any_up = any(way.up for way in self.ways)

    def take(self) -> Way | None:
        """Return the next trunk; None: there is none."""
        self.now = self.ways.pop(0) if self.ways else None
        return self.now

    def skips(self, way: Way) -> str:
        """Return why a trunk is not asked although it is its turn; empty: it is."""
        return f"trunk {way.trunk.trunk.name} is down" if not way.up and self.any_up else ""

    def goes_on(self, outcome: int | Fault, *, rang: bool, cancelled: bool = False) -> str:
        """Return why no further trunk is asked after an outcome; empty: the next one is."""
        assert self.now is not None
        following = self.ways[0] if self.ways else None
        differ = following is not None and following.trunk.trunk.codecs != self.now.trunk.trunk.codecs
        if not tries_next(
            outcome,
            rang=rang,
            attempts=self.attempts,
            codecs_differ=differ,
            extended=self.now.trunk.retry_on,
            cancelled=cancelled,
        ):
            return why_not(
                outcome, rang=rang, attempts=self.attempts, codecs_differ=differ, cancelled=cancelled
            )
        return "" if following is not None else "there is no other trunk"

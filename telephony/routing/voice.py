"""Where a call goes out to: the resource's own trunks first, then the operator's carriers. Pure.

Both come out as `VoiceWay`, the one kind of target that whoever makes calls tries. The first of the
resource's own routes that a number matches decides alone: the operator's carriers do not get what it took,
not even when none of its trunks can be used.
"""

from enum import StrEnum
from typing import Final, Protocol

from msgspec import Struct

from telephony.kernel.e164 import E164
from telephony.kernel.ids import ResourceId
from telephony.kernel.money import Money
from telephony.routing.decide import MAX_TARGETS, Hop, Witness
from telephony.routing.dialled import Reading
from telephony.routing.ports import Attempt, WayOut
from telephony.routing.sip_configuration.choice import Choice, Target
from telephony.routing.sip_configuration.configuration import Trunk
from telephony.routing.sip_configuration.ports import Health, Overall, Unwatched

NO_TRUNK: Final = "None of the trunks of the resource's own route can be used."


class Whose(StrEnum):
    """Whose trunk a way goes by."""

    RESOURCE = "resource"  # its own SBC, by its `/sip` routes
    OPERATOR = "operator"  # a carrier, by the operator's routes


class VoiceWay(Struct, frozen=True, gc=False):
    """A target to try."""

    whose: Whose
    target: str
    """The SBC's name, or the carrier's."""
    route: str
    """The route that led there."""
    prefix: str
    """What of the number it matched: a prefix, or the own route's pattern."""
    destination: str
    """The number as the target wants it."""
    sender: str
    """The caller as the target is told."""
    cost: Money | None = None
    """What a carrier takes a minute; None: an own trunk, of which the operator knows no cost."""
    up: bool = True
    """Whether it can be reached now; those that cannot stand behind those that can."""
    trunk: Trunk | None = None
    """An own trunk's settings."""


class VoiceWays(Struct, frozen=True, gc=False):
    """Where a call goes, or why not."""

    reading: Reading
    ways: tuple[VoiceWay, ...]
    """In the order in which they are to be tried; none: it is refused."""
    whose: Whose | None = None
    """Whose routes decided; None when what was written is no number."""
    refusal: str = ""
    """Why it goes nowhere, in words; empty when it goes somewhere."""


class OwnRoutes(Protocol):
    """Knows the resources' own `/sip` routes. `sip_configuration.directory.SipDirectory` is one."""

    def choose(self, resource: ResourceId, number: E164, witness: Witness | None = None) -> Choice | None:
        """Return what a resource's own routes say of a number; None: the operator's decide."""
        ...


class Carriers(Protocol):
    """Knows the operator's routes. `telephony.routing.router.Router` is one."""

    def out(self, attempt: Attempt, witness: Witness | None = None) -> WayOut:
        """See `telephony.routing.ports.WaysOut`."""
        ...


class VoiceRouter:
    """Answers for calls. Quick: no database, no network. Raises nothing."""

    def __init__(
        self, carriers: Carriers, own: OwnRoutes | None = None, health: Health | None = None
    ) -> None:
        """`health` is that of the resources' own trunks; without `own` there are none."""
        self._carriers, self._own = carriers, own
        self._health: Final = health or Unwatched()

    def ways(self, attempt: Attempt, witness: Witness | None = None) -> VoiceWays:
        """Return where a call goes; a witness hears of both stages, in their order."""
        stages = Witness() if witness is not None else None
        way = self._carriers.out(attempt, stages)
        number = way.reading.number
        if number is None:
            return VoiceWays(way.reading, (), refusal=way.refusal)
        choice = None if self._own is None else self._own.choose(attempt.resource, number, witness)
        if choice is None:
            if witness is not None and stages is not None:
                _join(witness, stages)
            return VoiceWays(
                way.reading, tuple(by_carrier(hop) for hop in way.hops), Whose.OPERATOR, way.refusal
            )
        if witness is not None and stages is not None:
            why = f"the resource's own route {choice.route.name} takes it"
            for each in stages.tried:
                witness.note(each.rule, each.target, each.prefix, False, why)
            witness.more += stages.more
        ways = [self._trunk(attempt, number, choice, each) for each in choice.trunks[:MAX_TARGETS]]
        ways.sort(key=lambda each: not each.up)  # stable: the order stays within both
        return VoiceWays(way.reading, tuple(ways), Whose.RESOURCE, "" if ways else NO_TRUNK)

    def _trunk(self, attempt: Attempt, number: E164, choice: Choice, target: Target) -> VoiceWay:
        health = self._health.of(attempt.resource, target.fqdn, target.trunk.sip_signaling_port)
        return VoiceWay(
            Whose.RESOURCE,
            target.fqdn,
            choice.route.name,
            choice.route.number_pattern,
            number,
            choice.route.caller_id_override or attempt.sender,
            up=health.overall is not Overall.INACTIVE,
            trunk=target.trunk,
        )


def by_carrier(hop: Hop) -> VoiceWay:
    """Return a carrier of the operator's routes as a target."""
    return VoiceWay(
        Whose.OPERATOR, hop.target, hop.route, hop.prefix, hop.destination, hop.sender, hop.cost, hop.up
    )


def _join(witness: Witness, stages: Witness) -> None:
    for each in stages.tried:
        witness.note(each.rule, each.target, each.prefix, each.taken, each.why)
    witness.more += stages.more

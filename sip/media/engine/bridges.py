"""Bridges: which legs hear each other, and whether they may simply be relayed."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from sip.media.engine.legs import Leg, Legs, Way
from sip.media.protocol import Direction

if TYPE_CHECKING:
    from sip.media.engine.plays import Playing
    from sip.media.engine.taps import Tapping


@dataclass(eq=False)
class Bridge:
    """One bridge."""

    owner: str
    name: str
    number: int
    """Of its own; its legs are mixed by it."""
    legs: list[Leg] = field(default_factory=list)
    plays: "list[Playing]" = field(default_factory=list)
    taps: "list[Tapping]" = field(default_factory=list)
    misfit: bool = False
    """Whether a leg's packets are longer or shorter than the other wants."""


def relayable(bridge: Bridge) -> bool:
    """Tell whether a bridge is two plain legs of RTP that nobody listens in on, plays to or holds."""
    return (
        len(bridge.legs) == 2
        and not (bridge.plays or bridge.taps or bridge.misfit)
        and all(_plain(leg) for leg in bridge.legs)
    )


def _plain(leg: Leg) -> bool:
    return (
        leg.media is not None
        and bool(leg.media.formats)
        and leg.media.direction is Direction.SENDRECV
        and leg.talks
        and leg.listens
        and leg.gain == 0.0
        and not (leg.plays or leg.taps or leg.digits or leg.dtmf or leg.speech)
    )


def route(bridge: Bridge, legs: Legs) -> bool:
    """Let a bridge's legs be relayed or played out, as is right now; tell whether that changed."""
    way = Way.RELAY if relayable(bridge) else Way.PLAYOUT
    changed = False
    for leg in bridge.legs:
        changed = changed or legs.way[leg.slot] != way
        legs.way[leg.slot] = way
    if way is Way.RELAY:
        first, second = (leg.slot for leg in bridge.legs)
        if changed or legs.peer[first] != second or legs.peer[second] != first:
            legs.peer[first], legs.peer[second] = second, first
            legs.anchored[np.array([first, second])] = False
            changed = True
    return changed

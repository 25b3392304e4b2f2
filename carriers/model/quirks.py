"""Ways of carriers that are not as the standards say, by name. Each has a meaning; none is only noted."""

from enum import StrEnum


class Quirk(StrEnum):
    """What a carrier does otherwise, and what is done about it."""

    NO_OPTIONS = "no-options"
    """It answers no OPTIONS, or counts them as an attack: none are sent, and the results of calls alone tell
    whether a trunk is up. The same as `options_seconds = 0` on every trunk."""
    PRIVATE_SDP = "private-sdp"
    """Its session descriptions name private addresses (RFC 1918) that media cannot be sent to: media go to
    where its media come from, once they come."""
    LATE_OFFER = "late-offer"
    """It sends INVITE without a session description and wants ours in the answer (RFC 3261 §13.2.1)."""
    NO_PRACK = "no-prack"
    """It says that it knows reliable provisional responses (RFC 3262) and loses calls that use them: they are
    not offered to it."""
    NO_SESSION_TIMER = "no-session-timer"
    """It ends calls when a session is refreshed (RFC 4028): no session timer is offered to it."""
    SAME_PORT_REGISTER = "same-port-register"
    """It sends calls to the address and port that a registration came from, whatever its Contact says: all
    requests leave from one socket."""

"""Named ways of being a carrier. An account binds under one of them.

A profile is data: one field for each thing that carriers do differently, neutral by default. A further
misbehaviour is a further field, read where that thing is done, and a named profile that sets it. Outcomes
(by destination) and profiles (by account) combine: the outcome decides what becomes of one message, the
profile how the SMSC treats all of them.
"""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from telephony.kernel.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Profile:
    """How the SMSC treats every message of an account."""

    name: str
    summary: str
    """One line for the reference."""
    receipt_first: bool = False
    """Every receipt comes before the response to its submit_sm."""
    per_second: float | None = None
    """submit_sm a second; ESME_RTHROTTLED answers the rest. An account may set its own."""


PROFILES: Final[dict[str, Profile]] = {
    profile.name: profile
    for profile in (
        Profile("plain", "does what SMPP 3.4 says, as fast as it can"),
        Profile(
            "receipt-before-response",
            "sends each receipt before the response to its submit_sm",
            receipt_first=True,
        ),
        Profile(
            "throttling",
            "takes 20 submit_sm a second (`per_second` of the account changes it) and answers the rest "
            "ESME_RTHROTTLED (0x58)",
            per_second=20.0,
        ),
    )
}


def profile_named(name: str, *, key: str) -> Profile:
    """Return the profile; raises ConfigurationError naming `key` and the nearest known profile."""
    profile = PROFILES.get(name)
    if profile is None:
        near = get_close_matches(name, PROFILES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(PROFILES)}."
        raise ConfigurationError(f"{key}: no profile is named {name!r}; {hint}", target=key)
    return profile


def profile_table() -> str:
    """Return the profiles as the Markdown table of the reference."""
    rows = ["| profile | what it does |", "|---|---|"]
    rows += [f"| `{profile.name}` | {profile.summary} |" for profile in PROFILES.values()]
    return "\n".join(rows) + "\n"


class Rate:
    """At most so many a second, on average; as many at once as one second allows (a token bucket)."""

    __slots__ = ("_at", "_per_second", "_room", "_tokens")

    def __init__(self, per_second: float, now: float) -> None:
        self._per_second = per_second
        self._room = max(1.0, per_second)
        self._tokens = self._room
        self._at = now

    def take(self, now: float) -> bool:
        """Take one at `now` (monotonic seconds), or say that there is none."""
        self._tokens = min(self._room, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

"""Users as ACS spells them: `8:acs:<resource>_<user>`, both plain GUIDs.

With exactly two underscores clients would take an id for one of Teams, so a user's own part never has one.
"""

from typing import Final, NewType

from telephony.kernel.ids import ResourceId, from_text, to_text

UserId = NewType("UserId", bytes)
"""A user of a resource: UUIDv7, never given twice."""

PREFIX: Final = "8:acs:"
SKYPE_PREFIX: Final = "acs:"
"""How an id begins in the claim `skypeid`."""


def raw_id(resource: ResourceId, user: UserId) -> str:
    """Return a user's id on the wire."""
    return f"{PREFIX}{to_text(resource)}_{to_text(user)}"


def parse_raw_id(text: str) -> tuple[ResourceId, UserId] | None:
    """Return the resource and the user that `raw_id` wrote, or None when `text` names no user of ours."""
    if not text.startswith(PREFIX):
        return None
    left, _, right = text[len(PREFIX) :].partition("_")
    resource, user = from_text(left), from_text(right)
    if resource is None or user is None:
        return None
    return ResourceId(resource), UserId(user)

"""Which resource somebody names, in a path or a body."""

from collections.abc import Callable

from telephony.kernel.errors import NotFound
from telephony.kernel.ids import ResourceId, from_text


def known_resource(text: str, knows: Callable[[ResourceId], bool] = lambda _: True) -> ResourceId:
    """Return a resource's id; `knows` tells which there are. Raises NotFound, alike for what is no id."""
    found = from_text(text)
    if found is None or not knows(ResourceId(found)):
        raise NotFound("There is no such resource.", target="resource")
    return ResourceId(found)

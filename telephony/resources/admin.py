"""Administration of resources."""

from msgspec import Struct

from telephony.kernel.http.route import Auth, Reply, Request, Route
from telephony.kernel.ids import to_text
from telephony.resources.directory import Directory


class ResourceSummary(Struct, frozen=True, rename="camel"):
    """A resource in a list; its keys are shown to nobody."""

    id: str
    name: str
    authorities: tuple[str, ...]
    demonstration: bool


class ResourceList(Struct, frozen=True):
    """Every resource."""

    value: tuple[ResourceSummary, ...]


def routes(directory: Directory) -> list[Route]:
    """Return the administration's operations on resources."""

    async def list_resources(_: Request[None]) -> Reply:
        found = tuple(
            ResourceSummary(to_text(one.id), one.name, one.authorities, one.demonstration)
            for one in directory.resources
        )
        return Reply(200, ResourceList(found))

    return [
        Route(
            operation="admin.resources.list",
            method="GET",
            template="/admin/resources",
            handler=list_resources,
            auth=Auth.ADMIN,
            summary="The resources and the authorities they are reached under.",
        )
    ]

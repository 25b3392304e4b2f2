"""ACS OptOuts: `POST /sms/optouts:add`, `:remove`, `:check` (Communication Services SMS)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final

from msgspec import UNSET, Meta, Struct, UnsetType, field

from sms.optouts.verbs import OptOutResult, OptOutVerbs
from telephony.kernel.http.route import Handler, Reply, Request, Route
from telephony.kernel.ids import ResourceId

VERSIONS: Final = (
    "2024-12-10-preview",
    "2025-05-29-preview",
    "2025-08-01-preview",
    "2025-09-17",
    "2026-01-23",
)
"""2025-05-29-preview is what @azure/communication-sms 1.2 beta sends; the rest are the published
specifications with the same operations."""

MAX_RECIPIENTS: Final = 100

Verb = Callable[[ResourceId, str, Sequence[str]], Awaitable[list[OptOutResult]]]


class OptOutRecipient(Struct, frozen=True, rename="camel"):
    """OptOutRecipient."""

    to: Annotated[str, Meta(min_length=1)]


class OptOutRequest(Struct, frozen=True, rename="camel"):
    """OptOutRequest."""

    from_: Annotated[str, Meta(min_length=1)] = field(name="from")
    recipients: Annotated[tuple[OptOutRecipient, ...], Meta(min_length=1, max_length=MAX_RECIPIENTS)]


class OptOutResponseItem(Struct, frozen=True, rename="camel", omit_defaults=True):
    """OptOutResponseItem."""

    to: str
    http_status_code: int
    is_opted_out: bool | UnsetType = UNSET
    error_message: str | UnsetType = UNSET


class OptOutResponse(Struct, frozen=True):
    """OptOutResponse."""

    value: tuple[OptOutResponseItem, ...]


def routes(verbs: OptOutVerbs) -> list[Route]:
    """Return the operations of ACS OptOuts."""

    def handler(verb: Callable[[], Verb]) -> Handler:
        async def handle(request: Request[OptOutRequest]) -> Reply:
            body = request.body
            results = await verb()(request.resource, body.from_, [one.to for one in body.recipients])
            return Reply(200, OptOutResponse(tuple(_item(result) for result in results)))

        return handle

    return [
        Route(
            operation=f"sms.optouts.{name}",
            method="POST",
            template=f"/sms/optouts:{name}",
            handler=handler(verb),
            versions=VERSIONS,
            body=OptOutRequest,
            summary=summary,
        )
        for name, verb, summary in (
            ("add", lambda: verbs.add, "Opt up to 100 recipients out of a number."),
            ("remove", lambda: verbs.remove, "Undo opt-outs."),
            ("check", lambda: verbs.check, "Tell which recipients have opted out of a number."),
        )
    ]


def _item(result: OptOutResult) -> OptOutResponseItem:
    return OptOutResponseItem(
        to=result.to,
        http_status_code=result.status,
        is_opted_out=UNSET if result.opted_out is None else result.opted_out,
        error_message=UNSET if result.error is None else result.error,
    )

"""Looking alarms up."""

from collections.abc import Callable
from typing import Any, Final, Literal

from msgspec import Struct

from telephony.alarms.store import Alarm, find
from telephony.alarms.watch import AlarmKind, Severity
from telephony.kernel.clock import to_iso
from telephony.kernel.errors import InvalidRequest
from telephony.kernel.http.paging import CONTINUATION, continuation, next_link, page_of, position_of
from telephony.kernel.http.route import PAGING, Auth, Query, Reply, Request, Route
from telephony.kernel.ids import from_text, to_text
from telephony.kernel.store import Store

PATH: Final = "/admin/alarms"

STATES: Final = {"raised": True, "cleared": False}


class AlarmReply(Struct, frozen=True, rename="camel", omit_defaults=True):
    """An alarm."""

    id: str
    kind: AlarmKind
    subject: str
    severity: Severity
    state: Literal["raised", "cleared"]
    text: str
    node: str
    """Which gateway saw it."""
    raised_at: str
    cleared_at: str | None = None


class AlarmList(Struct, frozen=True, rename="camel", omit_defaults=True):
    """A page of alarms, newest first."""

    value: tuple[AlarmReply, ...]
    next_link: str | None = None


def routes(store: Store) -> list[Route]:
    """Return the operation that lists alarms."""

    async def list_alarms(request: Request[None]) -> Reply:
        page = page_of(request.query)
        found = await store.read(
            find(
                is_open=_one_of(request, "state", STATES.__getitem__),
                kind=_one_of(request, "kind", AlarmKind),
                below=_below(request),
                limit=page.size,
            )
        )
        link = None
        if len(found) == page.size:
            link = next_link(PATH, request.query, **{CONTINUATION: continuation(to_text(found[-1].id))})
        return Reply(200, AlarmList(tuple(_shown(alarm) for alarm in found), link))

    return [
        Route(
            "admin.alarms.list",
            "GET",
            PATH,
            list_alarms,
            Auth.ADMIN,
            summary="What is or was wrong, newest first",
            reply=AlarmList,
            query=(
                Query("state", "raised or cleared; both unless told."),
                Query("kind", f"One of {', '.join(AlarmKind)}."),
                *PAGING,
            ),
        )
    ]


def _one_of(request: Request[None], name: str, known: Callable[[str], Any]) -> Any:  # noqa: ANN401 - the value
    text = request.query.get(name)
    if text is None:
        return None
    try:
        return known(text)
    except (KeyError, ValueError):
        raise InvalidRequest(f"{name}: {text} is none.", target=name) from None


def _below(request: Request[None]) -> bytes | None:
    begin = request.query.get(CONTINUATION)
    if begin is None:
        return None
    found = from_text(position_of(begin, str))
    if found is None:
        raise InvalidRequest("The continuation is not one of ours.", target=CONTINUATION)
    return found


def _shown(alarm: Alarm) -> AlarmReply:
    return AlarmReply(
        to_text(alarm.id),
        alarm.thing.kind,
        alarm.thing.subject,
        alarm.severity,
        "raised" if alarm.cleared is None else "cleared",
        alarm.text,
        alarm.origin,
        to_iso(alarm.raised),
        None if alarm.cleared is None else to_iso(alarm.cleared),
    )

"""Where inbound calls and texts go: kinds of target that planes register, and how they are combined. Pure.

`schedule` and `sequence` are made of other targets; every other kind is registered. A rule that names a kind
that nobody registered is refused.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta, Struct

from telephony.kernel.errors import CallerError, InvalidRequest
from telephony.kernel.http.outbound_addresses import parse_destination
from telephony.routing.rules import Kind
from telephony.routing.windows import MAX_WINDOWS, Calendars, Openings, Window

MAX_DEPTH: Final = 5
"""Targets within targets."""

MAX_PARTS: Final = 50
"""Alternatives of a schedule, and targets of a sequence."""

MAX_URI: Final = 256
"""Characters of a SIP URI (R6)."""

_SIP: Final = re.compile(
    r"sips?:([A-Za-z0-9+._~!$&'()*,;=%-]{1,128}@)?"
    r"([A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?"
    r"(;[A-Za-z0-9=._+-]{1,64}){0,8}",
    re.ASCII,
)

BOTH: Final = frozenset(Kind)


class Webhook(Struct, frozen=True, forbid_unknown_fields=True):
    """An application is asked."""

    url: Annotated[str, Meta(max_length=2048)]


class Number(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Another number is called or written to."""

    number: Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{6,14}$")]
    named: bool = False
    """Whether a text that is sent on, which is from a number of ours, begins with the one it was from."""


class Sip(Struct, frozen=True, forbid_unknown_fields=True):
    """A SIP URI is called."""

    uri: Annotated[str, Meta(max_length=MAX_URI)]


class Reject(Struct, frozen=True, forbid_unknown_fields=True):
    """It is refused."""

    reason: Literal["busy", "declined", "not-found", "unavailable"] = "declined"


@dataclass(frozen=True, slots=True)
class TargetKind:
    """A kind of target, as a plane registers it."""

    name: str
    """What rules call it: `webhook`."""
    settings: type[Struct]
    """What it wants, beside `kind`."""
    carries: frozenset[Kind] = BOTH
    """What may go there."""
    check: Callable[[Any], None] = lambda _: None
    """Looks at the settings. Raises CallerError for what cannot be used."""


def _check_url(settings: Webhook) -> None:
    destination = parse_destination(settings.url)
    here = destination.host == "localhost" or (destination.literal and destination.host.startswith("127."))
    if destination.scheme != "https" and not here:
        raise InvalidRequest("The URL must begin with https://.")


def _check_uri(settings: Sip) -> None:
    if not _SIP.fullmatch(settings.uri):
        raise InvalidRequest("It is no SIP URI, such as sip:desk@pbx.example.com.")


BASIC: Final = (
    TargetKind("webhook", Webhook, check=_check_url),
    TargetKind("number", Number),
    TargetKind("sip", Sip, frozenset({Kind.VOICE}), _check_uri),
    TargetKind("reject", Reject),
)
"""The kinds that need no plane."""


class Stop(Struct, frozen=True, gc=False):
    """A place to try: `settings` is of the kind's own type."""

    kind: str
    settings: Struct
    seconds: int | None = None
    """How long before the next one is tried; None: as long as it takes."""


class _Alternative(Struct, frozen=True, forbid_unknown_fields=True):
    windows: Annotated[tuple[Window, ...], Meta(min_length=1, max_length=MAX_WINDOWS)]
    target: dict[str, Any]


class _Schedule(Struct, frozen=True, forbid_unknown_fields=True):
    alternatives: Annotated[tuple[_Alternative, ...], Meta(min_length=1, max_length=MAX_PARTS)]
    otherwise: dict[str, Any] | None = None


class _Part(Struct, frozen=True, forbid_unknown_fields=True):
    target: dict[str, Any]
    seconds: Annotated[int, Meta(ge=1, le=3600)] | None = None


class _Sequence(Struct, frozen=True, forbid_unknown_fields=True):
    targets: Annotated[tuple[_Part, ...], Meta(min_length=1, max_length=MAX_PARTS)]


@dataclass(frozen=True, slots=True)
class Place:
    """A single target."""

    stop: Stop
    always: bool = True
    """Whether it leads somewhere at any time."""

    def stops(self, at: int) -> Iterator[Stop]:
        """Return the places to try at a time, in order."""
        yield self.stop

    def every(self) -> Iterator[Stop]:
        """Return all places that it can ever lead to."""
        yield self.stop


@dataclass(frozen=True, slots=True)
class Schedule:
    """The first alternative that is open."""

    alternatives: tuple[tuple[Openings, "Node"], ...]
    otherwise: "Node | None"

    @property
    def always(self) -> bool:
        """See `Place`."""
        nodes = (self.otherwise, *(node for _, node in self.alternatives))
        return all(node is not None and node.always for node in nodes)

    def stops(self, at: int) -> Iterator[Stop]:
        """See `Place`; nothing when no alternative is open and nothing else is said."""
        for openings, node in self.alternatives:
            if openings.is_open(at):
                yield from node.stops(at)
                return
        if self.otherwise is not None:
            yield from self.otherwise.stops(at)

    def every(self) -> Iterator[Stop]:
        """See `Place`."""
        for _, node in self.alternatives:
            yield from node.every()
        if self.otherwise is not None:
            yield from self.otherwise.every()


@dataclass(frozen=True, slots=True)
class Sequence:
    """One after the other."""

    parts: tuple[tuple["Node", int | None], ...]

    @property
    def always(self) -> bool:
        """See `Place`."""
        return any(node.always for node, _ in self.parts)

    def stops(self, at: int) -> Iterator[Stop]:
        """See `Place`."""
        for node, seconds in self.parts:
            for stop in node.stops(at):
                yield stop if seconds is None else msgspec.structs.replace(stop, seconds=seconds)

    def every(self) -> Iterator[Stop]:
        """See `Place`."""
        for node, _ in self.parts:
            yield from node.every()


Node = Place | Schedule | Sequence


class TargetKinds:
    """The kinds that there are."""

    def __init__(self, kinds: Iterable[TargetKind] = BASIC) -> None:
        self._kinds: dict[str, TargetKind] = {}
        for kind in kinds:
            self.register(kind)

    def register(self, kind: TargetKind) -> None:
        """Let rules name a kind. Raises ValueError when its name is taken."""
        if kind.name in ("schedule", "sequence") or kind.name in self._kinds:
            raise ValueError(f"{kind.name}: there is such a kind of target already")
        self._kinds[kind.name] = kind

    def node(self, data: dict[str, Any], kinds: Iterable[Kind], calendars: Calendars, place: str) -> Node:
        """Return a target, ready to be asked; `kinds` is what may come to it.

        Raises InvalidRequest, naming the place, for a kind that is not there or cannot carry that, and for
        settings that cannot be used.
        """
        return self._node(data, frozenset(kinds), calendars, place, MAX_DEPTH)

    def _node(
        self, data: dict[str, Any], kinds: frozenset[Kind], calendars: Calendars, place: str, depth: int
    ) -> Node:
        if depth == 0:
            raise InvalidRequest(f"{place}: Targets are nested too deeply.", target=place)
        name = data.get("kind")
        if name == "schedule":
            schedule = _converted(data, _Schedule, place)
            return Schedule(
                tuple(
                    (
                        Openings(each.windows, calendars, f"{place}.alternatives[{number}].windows"),
                        self._node(
                            each.target, kinds, calendars, f"{place}.alternatives[{number}].target", depth - 1
                        ),
                    )
                    for number, each in enumerate(schedule.alternatives)
                ),
                None
                if schedule.otherwise is None
                else self._node(schedule.otherwise, kinds, calendars, f"{place}.otherwise", depth - 1),
            )
        if name == "sequence":
            sequence = _converted(data, _Sequence, place)
            return Sequence(
                tuple(
                    (
                        self._node(
                            each.target, kinds, calendars, f"{place}.targets[{number}].target", depth - 1
                        ),
                        each.seconds,
                    )
                    for number, each in enumerate(sequence.targets)
                )
            )
        return Place(self._stop(data, name, kinds, place))

    def _stop(self, data: dict[str, Any], name: object, kinds: frozenset[Kind], place: str) -> Stop:
        kind = self._kinds.get(name) if isinstance(name, str) else None
        if kind is None:
            known = ", ".join(sorted((*self._kinds, "schedule", "sequence")))
            raise InvalidRequest(
                f"{place}.kind: There is no target of the kind {str(name)[:40]!r}; there are {known}.",
                target=f"{place}.kind",
            )
        missing = kinds - kind.carries
        if missing:
            raise InvalidRequest(
                f"{place}.kind: {kind.name} takes no {', '.join(sorted(missing))}; say so in kinds.",
                target=f"{place}.kind",
            )
        settings = _converted(data, kind.settings, place)
        try:
            kind.check(settings)
        except CallerError as error:
            raise InvalidRequest(f"{place}: {error.message}", target=place) from error
        return Stop(kind.name, settings)


def _converted(data: dict[str, Any], kind: type[Any], place: str) -> Any:  # noqa: ANN401 - of that type
    try:
        return msgspec.convert({name: value for name, value in data.items() if name != "kind"}, kind)
    except msgspec.ValidationError as error:
        words = str(error).replace("`", "'")
        raise InvalidRequest(f"{place}: {words}", target=place) from None

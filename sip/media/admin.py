"""The administration's view of audio: how busy engines and media I/O are, and how a leg sounds."""

from collections.abc import Awaitable, Callable
from typing import Final

from msgspec import Struct

from sip.media.protocol import Address, Statistics
from telephony.kernel.errors import NotFound
from telephony.kernel.http.route import Auth, Reply, Request, Route

MEDIA: Final = "/admin/media"
LEG: Final = "/admin/media/legs/{leg}"


class EngineReply(Struct, frozen=True, rename="camel"):
    """A media engine, over its last second."""

    name: str
    connected: bool
    """Whether the gateway has a connection to it; the rest is 0 without."""
    legs: int = 0
    max_legs: int = 0
    bridges: int = 0
    streams: int = 0
    """Directions in which audio flows: packets received and sent a second, divided by 50."""
    busy: float = 0.0
    """Share of the time in which it worked, 0 to 1."""
    received: int = 0
    """Packets a second."""
    sent: int = 0
    late_ticks: int = 0
    """Since its start."""
    worst_tick_ms: float = 0.0
    shed: int = 0
    """Packets that were dropped for their age, since its start."""
    ports_free: int = 0
    io: str = ""
    """`io_uring` or `sockets`."""
    accepts: bool = False
    """Whether it takes more legs."""
    draining: bool = False


class MediaIoReply(Struct, frozen=True, rename="camel"):
    """Media I/O."""

    connected: bool
    recordings: int = 0
    max_recordings: int = 0
    decoding: int = 0
    """Prompts in the making."""
    cached: int = 0
    """Sounds that are kept."""
    cached_octets: int = 0
    dropped: int = 0
    """Frames that came too late or were damaged, since its start."""
    failed: int = 0
    """Recordings that the disk ended, since its start."""


class MediaReply(Struct, frozen=True, rename="camel"):
    """The audio of a node."""

    enabled: bool
    engines: tuple[EngineReply, ...]
    media_io: MediaIoReply | None
    engine_losses: int = 0
    """How often an engine ended and took its calls with it, since the gateway's start."""


class LegReply(Struct, frozen=True, rename="camel"):
    """A leg's statistics since it was opened."""

    leg: str
    engine: str
    codec: str
    remote: Address | None
    """Where we send: negotiated or latched."""
    received: int
    octets_received: int
    sent: int
    octets_sent: int
    lost: int
    late: int
    duplicates: int
    concealed: int
    """Frames of 20 ms that were made up."""
    played: int
    """Frames of 20 ms that were due."""
    jitter_ms: float
    depth_ms: float
    round_trip_ms: float | None
    remote_lost: int | None
    remote_jitter_ms: float | None
    mos: float | None
    """Estimated listening quality, 1 to 4.5 (ITU-T G.107)."""
    foreign: int
    """Packets from elsewhere that were dropped."""
    malformed: int
    flooded: int


def routes(
    media: Callable[[], MediaReply], quality: Callable[[str], Awaitable[tuple[str, Statistics] | None]]
) -> list[Route]:
    """Return the operations; `media` tells what there is, `quality` a leg's engine and statistics."""

    async def overview(_: Request[None]) -> Reply:
        return Reply(200, media())

    async def leg(request: Request[None]) -> Reply:
        name = request.path["leg"]
        found = await quality(name)
        if found is None:
            raise NotFound(f"No media engine has a leg {name}.")
        engine, statistics = found
        fields = {each: getattr(statistics, each) for each in statistics.__struct_fields__}
        return Reply(200, LegReply(engine=engine, **fields))

    return [
        Route(
            "admin.media",
            "GET",
            MEDIA,
            overview,
            Auth.ADMIN,
            summary="Media engines and media I/O: streams, load, late ticks, recordings.",
            reply=MediaReply,
        ),
        Route(
            "admin.media_leg",
            "GET",
            LEG,
            leg,
            Auth.ADMIN,
            summary="A leg's packets, losses, jitter and estimated quality.",
            reply=LegReply,
        ),
    ]

"""Whether the node lives, whether it takes work, and what is wrong, in words."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from msgspec import Struct
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, Histogram, generate_latest

from telephony.kernel.http.route import Auth, Reply, Request, Route

LAG: Final = Histogram(
    "tandem_loop_lag_seconds",
    "How late the event loop is, sampled ten times a second.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1.0),
)

SAMPLE_SECONDS: Final = 0.1

Trouble = Callable[[], Sequence[str]]
"""Says what is wrong with a part, a sentence each; nothing when all is well."""


class HealthReport(Struct, frozen=True):
    """What `/health` answers."""

    live: bool
    """The process answers."""
    ready: bool
    """New work is taken."""
    version: str
    trouble: tuple[str, ...]
    """What is wrong, in words."""


class Health:
    """Gathers what the parts say. `ready` is set when the start is through, cleared when the node drains."""

    def __init__(self, version: str, blocking: Sequence[Trouble], noted: Sequence[Trouble]) -> None:
        self._version = version
        self._blocking = blocking
        self._noted = noted
        self.ready = False

    def report(self) -> HealthReport:
        """Return the state now. Trouble that blocks takes readiness away; what is only noted does not."""
        blocking = [sentence for trouble in self._blocking for sentence in trouble()]
        noted = [sentence for trouble in self._noted for sentence in trouble()]
        if not self.ready:
            blocking.append("the node is starting or stopping")
        return HealthReport(True, not blocking, self._version, (*blocking, *noted))


def routes(health: Health) -> list[Route]:
    """Return the routes that monitors ask."""

    async def whole(_: Request[None]) -> Reply:
        report = health.report()
        return Reply(200 if report.ready else 503, report)

    async def live(_: Request[None]) -> Reply:
        return Reply(200, {"live": True})

    async def metrics(_: Request[None]) -> Reply:
        return Reply(200, generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)

    return [
        Route("health", "GET", "/health", whole, Auth.NONE, summary="Ready or not, and what is wrong."),
        Route("health.live", "GET", "/health/live", live, Auth.NONE, summary="The process answers."),
        Route("metrics", "GET", "/metrics", metrics, Auth.ADMIN, summary="Prometheus metrics."),
    ]


async def watch_loop() -> None:
    """Sample the event loop's lag until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + SAMPLE_SECONDS
        await asyncio.sleep(SAMPLE_SECONDS)
        LAG.observe(max(0.0, loop.time() - due))

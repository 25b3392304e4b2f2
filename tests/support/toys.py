"""Toy routes, to try the HTTP application with: things that belong to a resource, and a send of messages."""

import asyncio
from typing import Any

import msgspec

from telephony.kernel.errors import Conflict, NotFound, Unavailable
from telephony.kernel.http.route import MERGE_PATCH, Auth, Reply, Request, Role, Route

VERSIONS = ("2021-03-07", "2026-01-23")


class Recipient(msgspec.Struct, frozen=True, rename="camel"):
    to: str
    repeatability_request_id: str | None = None
    repeatability_first_sent: str | None = None


class Send(msgspec.Struct, frozen=True, rename="camel"):
    sender: str = msgspec.field(name="from")
    sms_recipients: list[Recipient]
    message: str
    sms_send_options: dict[str, Any] = {}


class Change(msgspec.Struct, frozen=True):
    name: str | None = None


class Toys:
    """Handlers, and what they saw."""

    def __init__(self) -> None:
        self.seen: list[Request[Any]] = []
        self.things: dict[bytes, dict[str, str]] = {}
        self.leaky = False
        """Whether the things of others are told from none."""
        self.entered, self.leave = asyncio.Event(), asyncio.Event()

    def routes(self) -> list[Route]:
        thing = "/things/{thingId}"
        return [
            Route("sms.send", "POST", "/sms", self.send, versions=VERSIONS, body=Send),
            Route("things.get", "GET", thing, self.get, versions=VERSIONS),
            Route(
                "things.change",
                "PATCH",
                thing,
                self.get,
                versions=VERSIONS,
                body=Change,
                media_types=(MERGE_PATCH,),
            ),
            Route("things.play", "POST", thing + ":play", self.get, versions=VERSIONS[:1], body=Change),
            Route("who", "GET", "/calls/{callId}/participants/{who}", self.echo, versions=VERSIONS),
            Route("small", "POST", "/small", self.echo, versions=VERSIONS, body=Change, max_body=100),
            Route("raise.error", "GET", "/raise/{what}", self.fail, versions=VERSIONS),
            Route("wait", "GET", "/wait", self.wait, versions=VERSIONS),
            Route("chat", "GET", "/chat", self.user, Auth.USER, VERSIONS),
            Route("admin.see", "GET", "/admin/things", self.echo, Auth.ADMIN),
            Route("admin.do", "POST", "/admin/things", self.echo, Auth.ADMIN, body=Change),
            Route(
                "admin.bill", "POST", "/admin/bills", self.echo, Auth.ADMIN, roles=(Role.OWNER, Role.BILLING)
            ),
            Route("health", "GET", "/health", self.health, Auth.NONE),
        ]

    async def send(self, request: Request[Send]) -> Reply:
        self.seen.append(request)
        if request.body.message == "refuse me":
            raise Conflict("The toy refuses.", target="message")
        items = [
            {"to": item.to, "messageId": "Outgoing_1", "httpStatusCode": 202, "successful": True}
            for item in request.body.sms_recipients
        ]
        return Reply(202, {"value": items})

    async def get(self, request: Request[Any]) -> Reply:
        self.seen.append(request)
        name = request.path["thingId"]
        if name in self.things.get(request.resource, {}):
            return Reply(200, {"id": name})
        if self.leaky and any(name in things for things in self.things.values()):
            raise NotFound("It is another resource's.", target="thingId")
        raise NotFound(f"The thing {name} cannot be found.", target="thingId")

    async def echo(self, request: Request[Any]) -> Reply:
        self.seen.append(request)
        return Reply(200, {"path": dict(request.path), "query": dict(request.query)})

    async def user(self, request: Request[Any]) -> Reply:
        return Reply(200, {"user": request.user})

    async def fail(self, request: Request[Any]) -> Reply:
        match request.path["what"]:
            case "conflict":
                raise Conflict("It is so already.", target="state")
            case "away":
                raise Unavailable("Come back.", retry_after=2.5)
            case "timeout":
                raise TimeoutError
            case other:
                raise RuntimeError(f"a secret detail: {other}")

    async def wait(self, _request: Request[Any]) -> Reply:
        self.entered.set()
        await self.leave.wait()
        return Reply(200, {})

    async def health(self, _request: Request[Any]) -> Reply:
        return Reply(200, b"fine\n", content_type="text/plain; charset=utf-8")

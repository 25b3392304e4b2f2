"""The control interface: makes a handset send a text, and shows numbers. For demonstrations and tests.

    POST /inbound   {"from": "+12065550199", "to": "+14255550123", "text": "Hello", "account": "tandem"}
                    → 202 {"messageId": "...", "parts": 1}
                    or, instead of a text, "data" and perhaps "udh" (base64) and "dataCoding"
    GET /stats      → 200, see `smsc.Stats`

Errors are {"error": "..."}. It listens on loopback only and takes nothing from a web page: a body must be
JSON by its type and the request addressed to loopback, which no page from elsewhere can both bring about.
"""

from ipaddress import ip_address
from typing import Annotated, Final

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Meta

from carriers.simulated.smsc import Smsc
from sms.message import MAX_DATA
from sms.text import BARE, Envelope
from telephony.kernel.errors import InvalidRequest, TandemError, UnsupportedMedia
from telephony.kernel.http.route import JSON

HOST: Final = "127.0.0.1"

MAX_BODY: Final = 256 * 1024
"""Bytes: the longest text, 255 parts of 153 characters, fits however it is escaped."""

Number = Annotated[str, Meta(min_length=1, max_length=20, pattern=r"^\+?[A-Za-z0-9 ]+$")]
"""At most 20 octets (SMPP 3.4 §5.2.8)."""


class Inbound(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A text that somebody sends to one of our numbers."""

    source: Number = msgspec.field(name="from")
    destination: Number = msgspec.field(name="to")
    text: str = ""
    account: str = ""
    """The system_id it is delivered to; may be left out when there is one account only."""
    data: Annotated[bytes, Meta(max_length=MAX_DATA)] | None = None
    """Octets instead of a text (base64)."""
    udh: bytes = b""
    """A user data header of the octets (base64)."""
    data_coding: Annotated[int, Meta(ge=0, le=255)] = msgspec.field(name="dataCoding", default=4)
    """data_coding of the octets."""


class Control:
    """Serves the control interface on a port of loopback."""

    def __init__(self, smsc: Smsc, port: int) -> None:
        self._smsc = smsc
        self._wanted = port
        self._runner: web.AppRunner | None = None
        self.port = 0
        """The port it listens on, once started."""

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken."""
        application = web.Application(middlewares=[_guard], client_max_size=MAX_BODY)
        application.router.add_post("/inbound", self._inbound)
        application.router.add_get("/stats", self._stats)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._wanted).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _inbound(self, request: web.Request) -> web.Response:
        if request.content_type != JSON:
            raise UnsupportedMedia("The body must be application/json.")
        try:
            asked = msgspec.json.decode(await request.read(), type=Inbound)
        except msgspec.MsgspecError as error:
            raise InvalidRequest(str(error)) from None
        body: str | bytes = asked.text
        envelope = BARE
        if asked.data is not None and asked.text:
            raise InvalidRequest("text and data exclude each other.")
        if asked.data is not None:
            body, envelope = asked.data, Envelope(header=asked.udh, data_coding=asked.data_coding)
        message_id, parts = self._smsc.inbound(body, asked.source, asked.destination, asked.account, envelope)
        return _json(202, {"messageId": message_id, "parts": parts})

    async def _stats(self, _request: web.Request) -> web.Response:
        return _json(200, self._smsc.stats())


def _json(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(body), content_type=JSON)


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse what is not addressed to loopback by name, and turn our errors into answers."""
    try:
        if not _is_loopback(request.host):
            raise InvalidRequest("The control interface is addressed as 127.0.0.1 or localhost.")
        return await handler(request)
    except TandemError as error:
        return _json(error.status, {"error": error.message})


def _is_loopback(authority: str) -> bool:
    host = authority.rsplit(":", 1)[0]
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False

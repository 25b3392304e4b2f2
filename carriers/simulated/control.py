"""The control interface: makes a handset send a text, and shows numbers. For demonstrations and tests.

    POST /inbound   {"from": "+12065550199", "to": "+14255550123", "text": "Hello", "account": "tandem"}
                    → 202 {"messageId": "...", "parts": 1}
                    or, instead of a text, "data" and perhaps "udh" (base64) and "dataCoding"
    GET /stats      → 200, see `smsc.Stats`
    POST /calls     {"to": "+14255550123", "from": "+12065550199", "hertz": 425, "digits": "", "seconds": 2}
                    → 200 once it is over, see `calls.telephones.Told`: what became of it, what was heard
    GET /calls      → 200 {"value": [...]}, those that go on and the last ones

Errors are {"error": "..."}. It listens on loopback only and takes nothing from a web page: a body must be
JSON by its type and the request addressed to loopback, which no page from elsewhere can both bring about.
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Meta

from carriers.simulated.calls.telephones import Asked, Telephones
from carriers.simulated.smsc import Smsc
from sms.message import MAX_DATA
from sms.text import BARE, Envelope
from telephony.kernel.errors import InvalidRequest, NotFound, TandemError, UnsupportedMedia
from telephony.kernel.http.route import JSON

HOST: Final = "127.0.0.1"

T = TypeVar("T")

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
    """Serves the control interface on a port of loopback, on a Unix socket, or on both."""

    def __init__(
        self,
        smsc: Smsc,
        port: int | None,
        *,
        path: Path | None = None,
        telephones: Telephones | None = None,
    ) -> None:
        self._smsc = smsc
        self._wanted, self._path = port, path
        self._telephones = telephones
        self._runner: web.AppRunner | None = None
        self.port = 0
        """The port it listens on, once started."""

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken or the socket cannot be made."""
        application = web.Application(middlewares=[_guard], client_max_size=MAX_BODY)
        application.router.add_post("/inbound", self._inbound)
        application.router.add_get("/stats", self._stats)
        application.router.add_post("/calls", self._call)
        application.router.add_get("/calls", self._calls)
        self._runner = web.AppRunner(application, access_log=None)
        await self._runner.setup()
        if self._wanted is not None:
            await web.TCPSite(self._runner, HOST, self._wanted).start()
            self.port = self._runner.addresses[0][1]
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            await web.UnixSite(self._runner, self._path).start()
            self._path.chmod(0o600)

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _inbound(self, request: web.Request) -> web.Response:
        asked = await _read(request, Inbound)
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

    async def _call(self, request: web.Request) -> web.Response:
        return _json(200, await self._phones().place(await _read(request, Asked)))

    async def _calls(self, _request: web.Request) -> web.Response:
        return _json(200, {"value": self._phones().list()})

    def _phones(self) -> Telephones:
        if self._telephones is None:
            raise NotFound("This carrier has no telephones (sip_port).")
        return self._telephones


async def _read(request: web.Request, kind: type[T]) -> T:
    if request.content_type != JSON:
        raise UnsupportedMedia("The body must be application/json.")
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.MsgspecError as error:
        raise InvalidRequest(str(error)) from None


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

"""From a request on the wire to a plane's handler and back.

The order of checks, for every route alike: authentication (with the limits of whoever it is) → api-version →
route → body → ownership → state → act; the last three are the handler's. So an unauthenticated request learns
nothing about which paths exist, and an authenticated one about nobody else's things.
"""

import asyncio
import base64
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog
from msgspec import Struct
from prometheus_client import REGISTRY, CollectorRegistry

from tandem.http.authentication import (
    Authenticator,
    Caller,
    UserVerifier,
    check_role,
    check_scopes,
    no_users,
    scheme_for,
)
from tandem.http.incoming import Incoming, Outgoing
from tandem.http.matcher import Match, Matcher
from tandem.http.metrics import HttpMetrics
from tandem.http.query import parse_query
from telephony.kernel.clock import Clock, SystemClock
from telephony.kernel.errors import (
    InvalidRequest,
    LimitReached,
    MethodNotAllowed,
    NotFound,
    TandemError,
    Unauthorized,
)
from telephony.kernel.http.bodies import BodyDecoder, body_too_large
from telephony.kernel.http.cors import EXPOSED, Cors
from telephony.kernel.http.errors import ErrorReply, error_reply, unexpected_reply
from telephony.kernel.http.limits import RequestGate, RequestLimits
from telephony.kernel.http.route import MAX_BODY, Auth, Reply, Request, Route
from telephony.kernel.http.signature import SignatureRefused, verify_body
from telephony.kernel.http.versions import SUPPORTED_HEADER, all_versions, check_version
from telephony.kernel.ids import ResourceId, new_id, to_text
from telephony.resources.directory import NOBODY, Directory

log = structlog.get_logger(__name__)

BODY_SECONDS: Final = 20.0
"""How long a body may take to come: 256 kB at 13 kB/s."""

LARGE_BODY: Final = 1 << 20
"""Bytes of a body that is decoded in a thread. A good one keeps the interpreter to itself even there, for
4 ms a megabyte; finding the place of what is wrong in one takes longer, and goes on beside other things."""

HSTS: Final = "max-age=31536000; includeSubDomains"
UNMATCHED: Final = "unmatched"
"""The operation of a request to a path that nobody knows."""

_ECHOED: Final = re.compile(r"[\x21-\x7e]{1,128}")
_JSON: Final = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Settings:
    """What an operator may turn."""

    limits: RequestLimits = field(default_factory=RequestLimits)
    body_seconds: float = BODY_SECONDS
    cors_origins: Sequence[str] = ("*",)
    tls: bool = True
    """Whether clients reach us by https; it is part of the origin that handlers see, and of HSTS."""


class _Exchange(Struct, gc=False):
    """What is known of a request so far."""

    http: Incoming
    id: bytes
    name: str
    """The id as it is written."""
    started: float
    operation: str = UNMATCHED
    supported: str = ""
    caller: Caller | None = None
    """Who asks, once all of it is proven, the body included."""
    entered: ResourceId | None = None
    """Whose limits the request counts against."""
    allow: str = ""


@dataclass(frozen=True, slots=True)
class _Path:
    """What is the same for every request to one path."""

    versions: tuple[str, ...]
    supported: str
    allow: str


class Application:
    """Answers requests. Holds no socket; `serve` opens those."""

    def __init__(
        self,
        routes: Iterable[Route],
        directory: Directory,
        *,
        clock: Clock | None = None,
        users: UserVerifier = no_users,
        settings: Settings | None = None,
        registry: CollectorRegistry = REGISTRY,
    ) -> None:
        self.routes: Final = tuple(routes)
        self.settings: Final = settings or Settings()
        self.metrics: Final = HttpMetrics(registry)
        self._clock = clock or SystemClock()
        self._matcher = Matcher((route.method, route.template, route) for route in self.routes)
        self._decoders: dict[str, BodyDecoder[Any]] = {
            route.operation: BodyDecoder(route.body, route.media_types)
            for route in self.routes
            if route.body is not None
        }
        self._paths = _paths(self.routes)
        self._authenticator = Authenticator(directory, self._clock, users)
        self._gate = RequestGate(self.settings.limits)
        self._cors = Cors(self.settings.cors_origins)
        self._encoder = msgspec.json.Encoder()
        self._telling = log.is_enabled_for(logging.DEBUG)
        self._scheme = "https://" if self.settings.tls else "http://"
        self._common = {"Server": "tandem", "Access-Control-Expose-Headers": EXPOSED}
        if self.settings.tls:
            self._common["Strict-Transport-Security"] = HSTS

    async def handle(self, http: Incoming) -> Outgoing:
        """Answer one request; whatever happens, with an ACS body."""
        exchange = self._exchange(http)
        self.metrics.running += 1
        try:
            return self._reply(exchange, await self._answer(exchange))
        except ConnectionError:  # the client went away: there is nobody to answer
            raise
        except TandemError as error:
            return self._refuse(exchange, error)
        except Exception:  # a mistake of ours: whoever asked gets an answer, and nobody else notices
            log.exception("http.failed", request=exchange.name, operation=exchange.operation)
            self.metrics.failed("unexpected")
            return self._error(exchange, unexpected_reply())
        finally:
            self.metrics.running -= 1
            if exchange.entered is not None:
                self._gate.leave(exchange.entered)

    def malformed(self, http: Incoming, status: int) -> Outgoing:
        """Answer what is not HTTP as we take it: too long a header, a broken chunk."""
        exchange = self._exchange(http)
        self.metrics.failed("malformed")
        if status >= 500:
            return self._error(exchange, unexpected_reply(), close=True)
        error = InvalidRequest("The request is not well-formed HTTP.")
        return self._error(exchange, error_reply(error), close=True)

    def _exchange(self, http: Incoming) -> _Exchange:
        identifier = new_id(self._clock.now())
        return _Exchange(http, identifier, to_text(identifier), self._clock.monotonic())

    async def _answer(self, exchange: _Exchange) -> Reply:
        http = exchange.http
        method, target, headers = http.method, http.target, http.headers
        path, _, raw_query = target.partition("?")
        match = self._matcher.match(path)
        route = match.methods.get(method) if match is not None else None
        if match is not None:
            known = self._paths[match.template]
            exchange.supported, exchange.allow = known.supported, known.allow
        if route is not None:
            exchange.operation = route.operation
        elif method == "OPTIONS" and "Access-Control-Request-Method" in headers and "Origin" in headers:
            return self._preflight(exchange, match)
        caller = await self._prove(exchange, path, match, route)
        body = await self._body(exchange, caller, route.max_body if route is not None else MAX_BODY)
        exchange.caller = caller
        if match is None:
            raise NotFound("There is no such path.")
        query = parse_query(raw_query)
        version = check_version(
            route.versions if route is not None else self._paths[match.template].versions, query
        )
        if route is None:
            raise MethodNotAllowed(f"{method} is not among the methods of this path: {exchange.allow}.")
        check_role(route, caller.role)
        check_scopes(route, caller.token)
        decoder = self._decoders.get(route.operation)
        decoded = None
        if decoder is not None:
            asked = headers.get("Content-Type"), headers.get("Content-Encoding"), body
            large = len(body) > LARGE_BODY
            decoded = await asyncio.to_thread(decoder.decode, *asked) if large else decoder.decode(*asked)
        return await route.handler(
            Request(
                caller.resource,
                decoded,
                match.parameters,
                query,
                headers,
                version,
                exchange.name,
                self._scheme + headers.get("Host", ""),
                None if caller.token is None else caller.token.user,
                caller.role,
                caller.administrator,
                http.address,
                caller.token,
            )
        )

    async def _prove(
        self, exchange: _Exchange, path: str, match: Match[Route] | None, route: Route | None
    ) -> Caller:
        """Authenticate, and hold the caller to its limits."""
        http = exchange.http
        auth = route.auth if route is not None else scheme_for(path, http.headers, match, http.method)
        if auth is Auth.USER:
            caller = await self._authenticator.prove_user(http.headers)
        else:
            caller = self._authenticator.prove(auth, http.method, http.target, http.headers, match)
        if caller.resource != NOBODY:
            self._gate.enter(caller.resource, exchange.started)
            exchange.entered = caller.resource
        return caller

    async def _body(self, exchange: _Exchange, caller: Caller, ceiling: int) -> bytes:
        """Read the body, and check it against the hash that was signed: still part of authentication. Nothing
        is read for whoever has no key."""
        body = exchange.http.body
        if body is None:
            body = await exchange.http.read(ceiling, self.settings.body_seconds)
        elif len(body) > ceiling:
            raise body_too_large(ceiling)
        if caller.content_hash is not None:
            verify_body(caller.content_hash, body)
        return body

    def _preflight(self, exchange: _Exchange, match: Match[Route] | None) -> Reply:
        # The answer depends on no path, so that it tells nobody which exist.
        exchange.operation, exchange.supported = "cors.preflight", ""
        headers = exchange.http.headers
        methods = ("GET", "POST", "PUT", "PATCH", "DELETE")
        asked = headers.get("Access-Control-Request-Headers")
        return Reply(204, None, self._cors.preflight(headers["Origin"], methods, asked))

    def _reply(self, exchange: _Exchange, reply: Reply) -> Outgoing:
        body = reply.body
        if body is None:
            raw = b""
        elif isinstance(body, bytes):
            raw = body
        else:
            raw = self._encoder.encode(body)
        return self._respond(exchange, reply.status, raw, reply.headers, reply.content_type)

    def _refuse(self, exchange: _Exchange, error: TandemError) -> Outgoing:
        self.metrics.failed(error.metric)
        fields: dict[str, object] = {"code": error.code, "target": error.target}
        if isinstance(error, SignatureRefused):
            fields["reason"] = error.reason
        if isinstance(error, LimitReached):
            fields["limit"] = error.limit
        if exchange.entered is not None:
            fields["resource"] = to_text(exchange.entered)
        note = (
            log.warning if error.status >= 500 or isinstance(error, Unauthorized | LimitReached) else log.info
        )
        note(
            "http.refused",
            request=exchange.name,
            operation=exchange.operation,
            status=error.status,
            **fields,
        )
        # The rest of a body that was not read is not worth reading.
        close = error.status in (401, 408, 413) and exchange.http.unread
        answer = self._error(exchange, error_reply(error), close=close)
        if isinstance(error, MethodNotAllowed):
            answer.headers["Allow"] = exchange.allow
        return answer

    def _error(self, exchange: _Exchange, reply: ErrorReply, *, close: bool = False) -> Outgoing:
        return self._respond(exchange, reply.status, reply.body, reply.headers, _JSON, close=close)

    def _respond(
        self,
        exchange: _Exchange,
        status: int,
        body: bytes,
        extra: Mapping[str, str],
        content_type: str,
        *,
        close: bool = False,
    ) -> Outgoing:
        seconds = self._clock.monotonic() - exchange.started
        incoming = exchange.http.headers
        headers = self._common.copy()
        headers["x-ms-request-id"] = exchange.name
        headers["MS-CV"] = base64.b64encode(exchange.id).decode()[:22] + ".0"
        headers["X-Processing-Time"] = f"{seconds * 1000:.0f}ms"
        if body:
            headers["Content-Type"] = content_type
        # Whoever is not known shall not learn from a header which paths exist.
        if exchange.supported and exchange.caller is not None:
            headers[SUPPORTED_HEADER] = exchange.supported
        client_id = incoming.get("x-ms-client-request-id")
        if client_id is not None and _ECHOED.fullmatch(client_id):
            headers["x-ms-client-request-id"] = client_id
        origin = incoming.get("Origin")
        if origin is not None:
            headers.update(self._cors.headers(origin))
        headers.update(extra)
        self.metrics.answered(exchange.operation, status, seconds)
        if self._telling:
            log.debug("http.answered", request=exchange.name, operation=exchange.operation, status=status)
        return Outgoing(status, headers, body, close)


def _paths(routes: Sequence[Route]) -> dict[str, _Path]:
    """Return what is known of each template."""
    by_template: dict[str, list[Route]] = {}
    for route in routes:
        by_template.setdefault(route.template, []).append(route)
    result = {}
    for template, group in by_template.items():
        versions = all_versions(route.versions for route in group)
        allow = ", ".join(sorted(route.method for route in group))
        result[template] = _Path(versions, ", ".join(versions), allow)
    return result

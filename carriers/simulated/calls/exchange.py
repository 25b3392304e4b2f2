"""The exchange: telephones that are called, and telephones that call. SIP over UDP."""

import asyncio
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Final

from carriers.simulated.calls.keypad import TONE_HERTZ as HERTZ
from carriers.simulated.calls.keypad import Act, Fault, Sound, act_of
from carriers.simulated.calls.rtp import Rtp, open_rtp
from carriers.simulated.calls.sound import SILENCE, ToneSource, loudest
from carriers.simulated.calls.transactions import Address, Transactions, branch
from sip.wire.digest import Challenge, answer, ha1, parse_challenge, username_of, verify
from sip.wire.errors import Malformed
from sip.wire.headers import Headers
from sip.wire.message import Request, Response
from sip.wire.sdp import MediaSection, Sdp, next_version, parse_sdp

PRIVATE: Final = "10.11.12.13"
"""An address that nobody outside reaches."""

MAX_CALLS: Final = 1000
"""Telephones in use at once; further calls get 503."""

_USER_AGENT: Final = "Simulated carrier"


@dataclass(slots=True)
class Call:
    """A telephone in use."""

    call_id: str
    number: str
    """Ours: the one that was dialled, or that calls."""
    peer: str
    rtp: Rtp
    local: str
    """From of our requests in the dialog, with tag."""
    remote: str
    """To of our requests, with tag once there is one."""
    target: str
    """Request-URI of our requests: the peer's Contact."""
    to: Address
    cseq: int = 1
    state: str = "new"
    """`new`, `ringing`, `up`, `over`."""
    status: int = 0
    """What ended it, or answered it."""
    reason: str = ""
    provisional: list[int] = field(default_factory=list)
    offered: Sdp | None = None
    origin: str = ""
    invite: Request | None = None
    acting: asyncio.Task[None] | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    infos: str = ""
    """Digits that came by INFO."""
    route: tuple[str, ...] = ()
    """Route of our requests in the dialog (RFC 3261 §12.1)."""

    def become(self, state: str, status: int = 0, reason: str = "") -> None:
        """Take a new state and tell whoever waits."""
        self.state = state
        self.status = status or self.status
        self.reason = reason or self.reason
        self.changed.set()

    async def until(self, *states: str) -> None:
        """Wait for one of some states."""
        while self.state not in states:
            self.changed.clear()
            await self.changed.wait()

    def hears(self, frames: int = 25) -> tuple[float, float]:
        """Return the loudest frequency of what was heard last, and its level in dBm0."""
        return loudest(b"".join(list(self.rtp.heard)[-frames:]))


class Exchange:
    """Runs between `start` and `stop`.

    `realm` and `passwords` make it ask for digest authentication of whoever calls it.
    """

    def __init__(
        self, host: str = "127.0.0.1", *, realm: str = "simulated", passwords: dict[str, str] | None = None
    ) -> None:
        self._host = host
        self._realm = realm
        self._passwords = passwords or {}
        self._nonces: set[str] = set()
        self._sip = Transactions(self._requested)
        self._tasks: set[asyncio.Task[None]] = set()
        self.calls: dict[str, Call] = {}
        self.over: list[Call] = []
        """Calls that ended, the last thousand."""
        self.on_call: Callable[[Call], None] = lambda _call: None
        """Told of each call that comes."""

    @property
    def port(self) -> int:
        """UDP port of SIP."""
        return self._sip.port

    async def start(self, port: int = 0) -> None:
        """Listen. Raises OSError for a port that is taken."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self._sip, local_addr=(self._host, port))

    async def stop(self) -> None:
        """End everything, telling nobody."""
        for task in [*self._tasks, *(call.acting for call in self.calls.values() if call.acting)]:
            task.cancel()
        for call in self.calls.values():
            call.rtp.stop()
        await self._sip.stop()

    # --- calls that come ------------------------------------------------------------------------------------

    def _requested(self, request: Request, _source: Address) -> None:
        call = self.calls.get(request.call_id)
        match request.method:
            case "INVITE" if call is None:
                self._spawn(self._called(request))
            case "INVITE" if call is not None:
                self._renegotiated(call, request)
            case "ACK":
                self._acknowledged(call, request)
            case "OPTIONS":
                self._sip.respond(request, self._response(request, 200, "OK"))
            case "CANCEL":
                self._cancelled(call, request)
            case "BYE" if call is not None:
                self._sip.respond(request, self._response(request, 200, "OK"))
                self._ended(call, 200, request.headers.get("Reason") or "")
            case "INFO" if call is not None:
                call.infos += _signal(request.body)
                self._sip.respond(request, self._response(request, 200, "OK"))
            case "UPDATE" | "PRACK" | "NOTIFY" if call is not None:
                self._sip.respond(request, self._response(request, 200, "OK"))
            case "BYE" | "INFO" | "UPDATE" | "PRACK" | "NOTIFY":
                self._sip.respond(request, self._response(request, 481, "Call Does Not Exist"))
            case _:
                self._sip.respond(request, self._response(request, 405, "Method Not Allowed"))

    async def _called(self, invite: Request) -> None:
        act = act_of(invite.target.user)
        if act.fault is Fault.SILENT:
            return
        if self._passwords and not self._admitted(invite):
            return
        if len(self.calls) >= MAX_CALLS:
            self._sip.respond(invite, self._response(invite, 503, "Service Unavailable"))
            return
        rtp = await open_rtp(self._host)
        tag = secrets.token_hex(4)
        local = invite.headers.get("To") or ""
        contact = invite.contact
        call = Call(
            invite.call_id,
            invite.target.user,
            invite.from_.uri.user,
            rtp,
            local if invite.to.tag else f"{local};tag={tag}",
            invite.headers.get("From") or "",
            str(contact.uri) if contact else "",
            invite.vias[0].reply_to(),
            invite=invite,
            route=tuple(invite.headers.all("Record-Route")),
        )
        self.calls[call.call_id] = call
        self.on_call(call)
        call.acting = asyncio.create_task(self._act(call, invite, act, tag))

    async def _act(self, call: Call, invite: Request, act: Act, tag: str) -> None:
        """Do what the number does."""
        self._sip.respond(invite, invite.answer(100, "Trying"))
        try:
            if invite.body:
                self._hear(call, parse_sdp(invite.body))
        except Malformed:
            self._refuse(call, invite, 488, "Not Acceptable Here", tag)
            return
        call.rtp.source = _source(act)
        if act.early:
            self._sip.respond(invite, self._described(call, invite, 183, "Session Progress", tag))
            call.rtp.start()
            call.become("ringing")
        elif act.for_ever or act.ring_seconds:
            self._sip.respond(invite, self._response(invite, 180, "Ringing", tag))
            call.become("ringing")
        if act.for_ever:
            return
        await asyncio.sleep(act.ring_seconds)
        if act.status >= 300:
            self._refuse(call, invite, act.status, act.reason, tag, act.q850)
            return
        told = self._described(call, invite, 200, "OK", tag, private=act.fault is Fault.PRIVATE_SDP)
        self._sip.respond(invite, told, lose=act.fault is Fault.LOST_200, deaf=act.fault is Fault.DEAF)
        call.rtp.start()
        await call.until("up", "over")
        await self._go_on(call, act)

    async def _go_on(self, call: Call, act: Act) -> None:
        if act.digits:
            await asyncio.sleep(0.2)
            call.rtp.press(act.digits)
        if act.fault is Fault.HOLD:
            await asyncio.sleep(1.0)
            await self.hold(call)
            await asyncio.sleep(1.0)
            await self.hold(call, on=False)
        if act.hang_up_seconds is not None:
            await asyncio.sleep(act.hang_up_seconds)
            await self.hang_up(call)

    def _admitted(self, invite: Request) -> bool:
        """Tell whether an INVITE bears the right digest; ask for it otherwise."""
        told = invite.headers.get("Authorization") or invite.headers.get("Proxy-Authorization")
        if told:
            try:
                nonce = next((each for each in self._nonces if f'nonce="{each}"' in told), "")
                name = username_of(told)
                secret = ha1(name, self._realm, self._passwords.get(name, secrets.token_hex(16)))
                if nonce and verify(Challenge(self._realm, nonce), told, secret=secret, method="INVITE"):
                    self._nonces.discard(nonce)
                    return True
            except Malformed:
                pass
        nonce = secrets.token_hex(16)
        self._nonces.add(nonce)
        asked = self._response(invite, 401, "Unauthorized", secrets.token_hex(4))
        asked.headers.add("WWW-Authenticate", str(Challenge(self._realm, nonce)))
        self._sip.respond(invite, asked)
        return False

    def _acknowledged(self, call: Call | None, ack: Request) -> None:
        if call is None or call.state in {"up", "over"}:
            return
        if ack.body:
            try:
                self._hear(call, parse_sdp(ack.body))
            except Malformed:
                self._spawn(self.hang_up(call))
                return
        call.become("up", 200)

    def _cancelled(self, call: Call | None, cancel: Request) -> None:
        if call is None or call.invite is None or call.state in {"up", "over"}:
            self._sip.respond(cancel, self._response(cancel, 481, "Call Does Not Exist"))
            return
        self._sip.respond(cancel, self._response(cancel, 200, "OK"))
        self._refuse(call, call.invite, 487, "Request Terminated", secrets.token_hex(4))

    def _renegotiated(self, call: Call, invite: Request) -> None:
        """Take a re-INVITE: answer with the direction that fits the offer's."""
        call.target = str(invite.contact.uri) if invite.contact else call.target
        try:
            direction = self._hear(call, parse_sdp(invite.body)) if invite.body else "sendrecv"
        except Malformed:
            self._sip.respond(invite, self._response(invite, 488, "Not Acceptable Here"))
            return
        fitting = {"sendonly": "recvonly", "recvonly": "sendonly"}.get(direction, direction)
        call.rtp.held = direction in {"sendonly", "inactive"}
        self._sip.respond(invite, self._described(call, invite, 200, "OK", "", direction=fitting))

    def _refuse(self, call: Call, invite: Request, status: int, reason: str, tag: str, q850: int = 0) -> None:
        response = self._response(invite, status, reason, tag)
        if q850:
            response.headers.add("Reason", f"Q.850;cause={q850}")
        if status == 302:
            response.headers.add("Contact", f"<sip:+12065550120@{self._host}:{self.port}>")
        self._sip.respond(invite, response)
        self._ended(call, status, reason)

    # --- calls that it places -------------------------------------------------------------------------------

    async def call(
        self,
        number: str,
        to: Address,
        *,
        sender: str = "+12065550199",
        hertz: float = HERTZ,
        offer: bool = True,
        headers: tuple[tuple[str, str], ...] = (),
        username: str = "",
        password: str = "",
    ) -> Call:
        """Call a number at an address; return when it was answered, or is over. Its state tells which."""
        rtp = await open_rtp(self._host)
        rtp.source = ToneSource(hertz).frame
        host = f"{to[0]}:{to[1]}"
        call = Call(
            f"{secrets.token_hex(8)}@{self._host}",
            sender,
            number,
            rtp,
            f"<sip:{sender}@{self._host}:{self.port}>;tag={secrets.token_hex(4)}",
            f"<sip:{number}@{host}>",
            f"sip:{number}@{host}",
            to,
        )
        self.calls[call.call_id] = call
        invite = self._request(call, "INVITE", body=self._sdp(call).octets() if offer else b"", extra=headers)
        response = await self._invite(call, invite)
        if response is not None and response.status in {401, 407} and username:
            self._ack(call, invite, response)
            self._authorize(invite, response, username, password)
            response = await self._invite(call, invite)
        if response is None or response.status >= 300:
            if response is not None:
                self._ack(call, invite, response)
            self._ended(call, response.status if response else 408, response.reason if response else "")
            return call
        call.remote = response.headers.get("To") or call.remote
        call.target = str(response.contact.uri) if response.contact else call.target
        call.route = tuple(reversed(response.headers.all("Record-Route")))
        self._hear(call, parse_sdp(response.body))
        ack = self._request(call, "ACK", number=invite.cseq[0])
        if not offer:
            ack.body = self._sdp(call).octets()
            ack.headers.add("Content-Type", "application/sdp")
        self._sip.send_octets(ack.octets(), call.to)
        call.rtp.start()
        call.become("up", 200)
        return call

    async def _invite(self, call: Call, invite: Request) -> Response | None:
        call.invite = invite

        def provisional(response: Response) -> None:
            call.provisional.append(response.status)
            if response.body:
                self._hear(call, parse_sdp(response.body))
                call.rtp.start()
            if response.status > 100:
                call.become("ringing")

        return await self._sip.ask(invite, call.to, on_provisional=provisional)

    def _authorize(self, invite: Request, response: Response, username: str, password: str) -> None:
        proxy = response.status == 407
        asked = parse_challenge(
            response.headers.get("Proxy-Authenticate" if proxy else "WWW-Authenticate") or ""
        )
        invite.headers.set("CSeq", f"{invite.cseq[0] + 1} INVITE")
        invite.headers.set("Via", self._via())
        invite.headers.set(
            "Proxy-Authorization" if proxy else "Authorization",
            answer(
                asked,
                username=username,
                secret=ha1(username, asked.realm, password, asked.algorithm),
                method="INVITE",
                uri=invite.uri,
                cnonce=secrets.token_hex(8),
            ),
        )

    async def give_up(self, call: Call) -> None:
        """Cancel a call that rings."""
        assert call.invite is not None
        cancel = self._request(call, "CANCEL", number=call.invite.cseq[0])
        cancel.headers.set("Via", str(call.invite.vias[0]))
        cancel.headers.set("To", call.invite.headers.get("To") or "")
        cancel.uri = call.invite.uri
        await self._sip.ask(cancel, call.to)

    async def hang_up(self, call: Call, reason: str = "") -> None:
        """End a call that is up."""
        if call.state == "over":
            return
        extra = (("Reason", reason),) if reason else ()
        bye = self._request(call, "BYE", extra=extra)
        call.rtp.stop()
        await self._sip.ask(bye, call.to)
        self._ended(call, 200, reason, ended_by_us=True)

    async def hold(self, call: Call, *, on: bool = True) -> Response | None:
        """Hold a call, or go on with it; return the answer."""
        invite = self._request(
            call, "INVITE", body=self._sdp(call, "sendonly" if on else "sendrecv").octets()
        )
        response = await self._sip.ask(invite, call.to)
        if response is not None and response.status < 300:
            self._sip.send_octets(self._request(call, "ACK", number=invite.cseq[0]).octets(), call.to)
            call.rtp.held = on
        elif response is not None:
            self._ack(call, invite, response)
        return response

    async def info(self, call: Call, digit: str) -> Response | None:
        """Send a digit by INFO; return the answer."""
        request = self._request(call, "INFO", body=f"Signal={digit}\r\nDuration=160\r\n".encode())
        request.headers.set("Content-Type", "application/dtmf-relay")
        return await self._sip.ask(request, call.to)

    # --------------------------------------------------------------------------------------------------------

    def _hear(self, call: Call, sdp: Sdp) -> str:
        """Take what a peer's SDP says; return its direction. Raises Malformed when it has no PCMU."""
        audio = sdp.audio
        if audio is None or not any(each.name == "PCMU" for each in audio.encodings):
            raise Malformed("SDP: no PCMU")
        events = [each.payload_type for each in audio.encodings if each.name == "TELEPHONE-EVENT"]
        call.rtp.telephone_event = events[0] if events else 101
        call.rtp.remote = (sdp.address(audio) or self._host, audio.port)
        call.offered = sdp
        return sdp.direction(audio)

    def _sdp(self, call: Call, direction: str = "sendrecv", *, private: bool = False) -> Sdp:
        host = PRIVATE if private else self._host
        call.origin = (
            next_version(call.origin) if call.origin else f"- {secrets.randbits(31)} 1 IN IP4 {host}"
        )
        lines = [
            ("a", "rtpmap:0 PCMU/8000"),
            ("a", f"rtpmap:{call.rtp.telephone_event} telephone-event/8000"),
            ("a", f"fmtp:{call.rtp.telephone_event} 0-15"),
            ("a", "ptime:20"),
            ("a", direction),
        ]
        audio = MediaSection(
            "audio", call.rtp.port, "RTP/AVP", ["0", str(call.rtp.telephone_event)], None, lines
        )
        return Sdp(call.origin, host, [], [audio])

    def _described(
        self,
        call: Call,
        invite: Request,
        status: int,
        reason: str,
        tag: str,
        *,
        private: bool = False,
        direction: str = "sendrecv",
    ) -> Response:
        response = self._response(invite, status, reason, tag)
        sdp = self._sdp(call, direction, private=private)
        if call.offered is not None:  # every medium of the offer is answered, those without audio by port 0
            refused = [each for each in call.offered.media if each is not call.offered.audio]
            for each in refused:
                sdp.media.append(MediaSection(each.kind, 0, each.protocol, list(each.formats)))
        response.headers.add("Content-Type", "application/sdp")
        response.body = sdp.octets()
        return response

    def _response(self, request: Request, status: int, reason: str, tag: str = "") -> Response:
        response = request.answer(status, reason, tag=tag)
        response.headers.add("Contact", f"<sip:{self._host}:{self.port}>")
        response.headers.add("Server", _USER_AGENT)
        response.headers.add("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE")
        return response

    def _request(
        self,
        call: Call,
        method: str,
        *,
        body: bytes = b"",
        extra: tuple[tuple[str, str], ...] = (),
        number: int | None = None,
    ) -> Request:
        if number is None:
            call.cseq += 1
            number = call.cseq
        headers = Headers(
            [
                ("Via", self._via()),
                ("Max-Forwards", "70"),
                ("From", call.local),
                ("To", call.remote),
                ("Call-ID", call.call_id),
                ("CSeq", f"{number} {method}"),
                ("Contact", f"<sip:{call.number}@{self._host}:{self.port}>"),
                ("User-Agent", _USER_AGENT),
                *(("Route", each) for each in call.route),
                *extra,
            ]
        )
        if body:
            headers.add("Content-Type", "application/sdp")
        return Request(method=method, uri=call.target, headers=headers, body=body)

    def _ack(self, call: Call, invite: Request, refusal: Response) -> None:
        """Acknowledge a refusal, within its transaction (RFC 3261 §17.1.1.3)."""
        ack = self._request(call, "ACK", number=invite.cseq[0])
        ack.uri = invite.uri
        ack.headers.set("Via", str(invite.vias[0]))
        ack.headers.set("To", refusal.headers.get("To") or "")
        self._sip.send_octets(ack.octets(), call.to)

    def _via(self) -> str:
        return f"SIP/2.0/UDP {self._host}:{self.port};branch={branch()};rport"

    def _ended(self, call: Call, status: int, reason: str = "", *, ended_by_us: bool = False) -> None:
        if self.calls.pop(call.call_id, None) is None:
            return
        call.rtp.stop()
        # Whoever acts for the call may be the one that ends it.
        if call.acting is not None and not ended_by_us and call.acting is not asyncio.current_task():
            call.acting.cancel()
        self.over = [*self.over[-MAX_CALLS:], call]
        call.become("over", status, reason)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _source(act: Act) -> Callable[[], bytes] | None:
    match act.sound:
        case Sound.TONE:
            return ToneSource(HERTZ).frame
        case Sound.SILENCE:
            return lambda: SILENCE
        case Sound.ECHO:
            return None


def _signal(body: bytes) -> str:
    for line in body.decode(errors="replace").splitlines():
        name, _, value = line.partition("=")
        if name.strip().lower() == "signal":
            return value.strip()[:1]
    return ""

"""A worker: one loop over pjsip and the gateway's socket."""

import contextlib
import os
import socket
from collections import deque
from typing import Any, Final, assert_never

import msgspec
import pjsua2 as pj

from sip.wire.errors import Malformed
from sip.wire.message import Request, parse
from sip.workers.admission import EDGE, TRUNK, Admission
from sip.workers.call import Call
from sip.workers.messages import (
    MAX_PACKET,
    Admit,
    Answer,
    Command,
    Dial,
    Drain,
    Ended,
    Event,
    Failed,
    Freed,
    Hangup,
    Header,
    Hold,
    Holding,
    Incoming,
    Info,
    Ping,
    Place,
    Pong,
    Quit,
    Ready,
    Side,
    Spare,
    Withdraw,
    WorkerSettings,
)
from sip.workers.pjsip import Endpoint, leave, told
from sip.workers.worker_socket import socket_path

WAIT_MS: Final = 500
"""How long the loop sleeps without packets: 0.03 % of a core, and packets wake it at once."""

KEPT: Final = 64
"""Ends of calls that are kept for a gateway that is away; a few calls a worker, so minutes of them."""

NO_PLACE: Final = Place("none", "127.0.0.1", 1)
"""Stands in the SDP of a call that is about to be refused."""


class _Account(pj.Account):  # type: ignore[misc]  # pjsua2 has no types
    def __init__(self, worker: "Worker") -> None:
        super().__init__()
        self._worker = worker

    def onIncomingCall(self, prm: Any) -> None:  # noqa: ANN401, N802
        self._worker.came(prm)


class Worker:
    """Runs until it is told to quit. Everything happens on one thread."""

    def __init__(self, settings: WorkerSettings, number: int) -> None:
        """Listen for SIP and for the gateway."""
        self._number = number
        self._settings = settings
        self._admission = Admission(settings.secret, settings.sources)
        port = settings.first_port + number if settings.first_port else 0
        self._endpoint = Endpoint(settings, port)
        self._account = _Account(self)
        self._account.create(self._endpoint.account())
        self._calls: dict[str, Call] = {}
        self._accounts: dict[str, Any] = {}
        self._lingering: dict[int, str] = {}
        """Calls that are over and have their slot still, by pjsip's number."""
        self._spares: deque[Place] = deque()
        self._refuse: list[tuple[str, int, str]] = []
        self._come = 0
        self._flush = False
        self._draining = False
        self._kept: deque[Ended] = deque(maxlen=KEPT)
        self._gateway: socket.socket | None = None
        self._commands: msgspec.msgpack.Decoder[Command] = msgspec.msgpack.Decoder(Command)
        self._encoder = msgspec.msgpack.Encoder()
        path = socket_path(settings.folder, number)
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(4)
        self._listener.setblocking(False)

    def run(self) -> None:
        """Work."""
        while True:
            self._endpoint.handle(WAIT_MS)
            self._accept()
            self._obey()
            self._refuse_some()
            if self._lingering:
                self._free(self._endpoint.in_use())
            if self._flush:
                self._flush = False
                self._endpoint.flush()

    # --- what comes by SIP ----------------------------------------------------------------------------------

    def came(self, prm: Any) -> None:  # noqa: ANN401
        """Take a call that came. Nothing may be answered in here: an INVITE without SDP would abort."""
        message, source = prm.rdata.wholeMsg, prm.rdata.srcAddress
        self._come += 1
        key = f"{self._number}-{self._come}"
        place = self._spares.popleft() if self._spares else NO_PLACE
        call = self._make(
            self._account, prm.callId, key=key, side=Side.IN, place=place, codecs=self._settings.codecs
        )
        try:
            request = parse(message.encode(errors="surrogateescape"))
        except Malformed:
            request = None
        if not isinstance(request, Request) or not self._admission.admits(source, request.headers):
            self._give_back(call)
            self._refuse.append((key, 403, "Forbidden"))
            return
        if self._draining or place is NO_PLACE or self._gateway is None:
            why = "draining" if self._draining else "full" if place is NO_PLACE else "no gateway"
            self._give_back(call)
            self._refuse.append((key, 503, f"Service Unavailable ({why})"))
            return
        headers = tuple(
            Header(name, value) for name, value in request.headers if name.lower() != EDGE.lower()
        )
        call.note, call.source = request.headers.get(TRUNK) or "", source
        self._tell(
            Incoming(
                key,
                place.leg,
                request.call_id,
                request.uri,
                request.headers.get("From") or "",
                request.headers.get("To") or "",
                source,
                headers,
                bool(request.body),
                request.body.decode(errors="replace"),
            )
        )

    def _give_back(self, call: Call) -> None:
        """Keep the spare for the next call; the refused one's SDP is never sent."""
        if call.place is not NO_PLACE:
            self._spares.appendleft(call.place)
            call.place = NO_PLACE

    def _refuse_some(self) -> None:
        refused, self._refuse = self._refuse, []
        for key, status, reason in refused:
            call = self._calls.get(key)
            if call is not None:
                with contextlib.suppress(pj.Error):  # its caller has given up meanwhile
                    call.hangup(_operation(status, reason, _LATER if status == 503 else ()))

    def _make(self, account: Any, number: int | None, **named: Any) -> Call:  # noqa: ANN401
        if number is not None:
            self._free(frozenset(self._lingering) - {number})
        call = Call(account, number, **named, tell=self._tell, over=self._over, streamed=self._streamed)
        self._calls[call.key] = call
        return call

    def _streamed(self) -> None:
        self._flush = True

    def _free(self, in_use: frozenset[int]) -> None:
        """Tell of slots that are free."""
        for number in [number for number in self._lingering if number not in in_use]:
            self._tell(Freed(self._lingering.pop(number)))

    def _over(self, key: str, number: int) -> None:
        if self._calls.pop(key, None) is not None and number >= 0:
            self._lingering[number] = key
        account = self._accounts.pop(key, None)
        if account is not None:
            account.shutdown()

    # --- what the gateway says ------------------------------------------------------------------------------

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                connection, _ = self._listener.accept()
                self._obey()  # what the gateway before said is not lost
                self._lose()
                connection.setblocking(False)
                self._gateway = connection
                self._greet()

    def _greet(self) -> None:
        spares = tuple(place.leg for place in self._spares)
        calls = [call for call in self._calls.values() if call.place is not NO_PLACE]
        kept, self._kept = self._kept, deque(maxlen=KEPT)
        self._tell(
            Ready(
                self._number,
                os.getpid(),
                self._endpoint.port,
                self._endpoint.calls,
                spares,
                self._draining,
                len(calls) + len(kept),
                tuple(self._lingering.values()),
            )
        )
        for call in calls:
            self._tell(
                Holding(
                    call.key,
                    call.side,
                    call.state,
                    call.place.leg,
                    call.call_id,
                    call.remote,
                    call.place,
                    call.note,
                    call.source,
                )
            )
        for event in kept:
            self._tell(event)

    def _obey(self) -> None:
        while self._gateway is not None:
            try:
                packet = self._gateway.recv(MAX_PACKET)
            except BlockingIOError:
                return
            except ConnectionResetError:
                continue  # said once, when it went without reading everything; what it said before comes now
            if not packet:
                self._lose()
                return
            try:
                command = self._commands.decode(packet)
            except msgspec.MsgspecError as error:
                self._tell(Failed("", "", str(error)))
                continue
            self._carry_out(command)

    def _carry_out(self, command: Command) -> None:
        name = type(command).__name__
        key = getattr(command, "call", "")
        try:
            self._do(command)
        except KeyError:
            self._tell(Failed(key, name, "no such call"))
        except (pj.Error, Malformed, ValueError) as error:
            self._tell(Failed(key, name, told(error)))

    def _do(self, command: Command) -> None:
        match command:
            case Spare():
                self._spares.append(command.place)
            case Withdraw():
                self._spares = deque(place for place in self._spares if place.leg != command.leg)
            case Admit():
                self._admission = Admission(self._settings.secret, command.sources)
            case Dial():
                self._dial(command)
            case Answer():
                self._answer(command)
            case Hangup():
                call = self._calls[command.call]
                call.hangup(_operation(command.status, "", command.headers))
            case Hold():
                self._hold(command)
            case Info():
                digits = pj.CallSendDtmfParam()
                digits.method = pj.PJSUA_DTMF_METHOD_SIP_INFO
                digits.digits = command.digits
                digits.duration = command.ms
                self._calls[command.call].sendDtmf(digits)
            case Drain():
                self._draining = command.on
            case Ping():
                self._tell(Pong())
            case Quit():
                leave()
            case _:
                assert_never(command)

    def _dial(self, command: Dial) -> None:
        if command.call in self._calls:
            raise ValueError("that call is there already")
        if len(self._endpoint.in_use()) >= self._endpoint.calls:
            raise ValueError("full")
        account = self._account
        usual = command.session_timer and not command.srtp
        if command.credentials is not None or not usual:
            account = _Account(self)
            account.create(
                self._endpoint.account(
                    srtp=2 if command.srtp else 0,
                    credentials=command.credentials,
                    session_timer=command.session_timer,
                )
            )
            self._accounts[command.call] = account
        call = self._make(
            account, None, key=command.call, side=Side.OUT, place=command.place, codecs=command.codecs
        )
        call.note = command.note
        operation = _operation(0, "", command.headers)
        operation.opt.audioCount = 1
        operation.opt.videoCount = 0
        operation.txOption.localUri = command.sender
        if command.to:
            operation.txOption.targetUri = command.uri
        try:
            call.makeCall(command.to or command.uri, operation)
        except pj.Error:
            self._over(command.call, -1)
            raise
        self._free(frozenset(self._lingering) - {call.getId()})

    def _answer(self, command: Answer) -> None:
        call = self._calls[command.call]
        operation = _operation(command.status, command.reason, command.headers)
        if command.status >= 300:
            call.hangup(operation)
        else:
            call.early = call.early or command.status == 183
            call.answer(operation)

    def _hold(self, command: Hold) -> None:
        call = self._calls[command.call]
        operation = _operation(0, "")
        if command.on:
            call.setHold(operation)
            return
        operation.opt.flag = pj.PJSUA_CALL_UNHOLD
        operation.opt.audioCount = 1
        operation.opt.videoCount = 0
        call.reinvite(operation)

    def _tell(self, event: Event) -> None:
        if self._gateway is not None:
            try:
                self._gateway.send(self._encoder.encode(event))
            except BlockingIOError:  # so slow that its events would be stale: it asks again when it connects
                self._lose()
            except OSError:
                pass  # it is gone; what it said before is still to be read, and then its end
            else:
                return
        if isinstance(event, Ended):
            self._kept.append(event)

    def _lose(self) -> None:
        if self._gateway is not None:
            self._gateway.close()
            self._gateway = None


_LATER: Final = (Header("Retry-After", "2"),)
"""With 503: workers and gateways are replaced within two seconds."""


def _operation(status: int, reason: str, headers: tuple[Header, ...] = ()) -> Any:  # noqa: ANN401
    operation = pj.CallOpParam()
    operation.statusCode = status
    operation.reason = reason
    for each in headers:
        header = pj.SipHeader()
        header.hName, header.hValue = each.name, each.value
        operation.txOption.headers.push_back(header)
    return operation

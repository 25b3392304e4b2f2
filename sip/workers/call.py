"""A call of a worker: pjsip's callbacks turned into events, and its SDP into the engine's."""

from collections.abc import Callable
from typing import Any, Final

import pjsua2 as pj

from sip.wire.errors import Malformed
from sip.wire.headers import Headers
from sip.wire.message import parse
from sip.workers import messages
from sip.workers.description import body_of, ours, theirs
from sip.workers.messages import Changed, Codec, Ended, Event, Header, Place, Pressed, Progress, Remote, Side

_DIRECTIONS: Final = {0: "inactive", 1: "recvonly", 2: "sendonly", 3: "sendrecv"}
"""pjmedia_dir of ours, as the peer says it."""

_STATES: Final = {
    pj.PJSIP_INV_STATE_CALLING: "calling",
    pj.PJSIP_INV_STATE_INCOMING: "incoming",
    pj.PJSIP_INV_STATE_EARLY: "early",
    pj.PJSIP_INV_STATE_CONNECTING: "early",
    pj.PJSIP_INV_STATE_CONFIRMED: "confirmed",
}


def headers_of(message: str) -> Headers:
    """Return the headers of a message as pjsip prints it; none when it cannot be read."""
    try:
        return parse(message.encode(errors="surrogateescape")).headers
    except Malformed:
        return Headers()


class Call(pj.Call):  # type: ignore[misc]  # pjsua2 has no types
    """A call. `tell` takes its events, `over` is called once, when it has ended and may be forgotten."""

    def __init__(
        self,
        account: Any,  # noqa: ANN401
        number: int | None,
        *,
        key: str,
        side: Side,
        place: Place,
        codecs: tuple[str, ...],
        tell: Callable[[Event], None],
        over: Callable[[str, int], None],
        streamed: Callable[[], None],
    ) -> None:
        if number is None:
            super().__init__(account)
        else:
            super().__init__(account, number)
        self.account = account
        self.key = key
        self.side = side
        self.place = place
        self.codecs = codecs
        self.remote: Remote | None = None
        self.early = False
        """Whether we said 183, so that sound goes before the answer."""
        self.note = ""
        """What whoever comes after the gateway is told of it."""
        self.source = ""
        """Where it came from."""
        self._tell = tell
        self._over = over
        self._streamed = streamed
        self._described = ""
        """The peer's SDP as it came last."""
        self._last = ""
        """The message that ended the call, as it came."""
        self._by_peer = False

    @property
    def state(self) -> str:
        """The state, in words."""
        return _STATES.get(self.getInfo().state, "over")

    @property
    def call_id(self) -> str:
        """Call-ID on the wire."""
        return str(self.getInfo().callIdString)

    # --- pjsip calls these ----------------------------------------------------------------------------------

    def onCallSdpCreated(self, prm: Any) -> None:  # noqa: ANN401, N802
        if prm.remSdp.wholeSdp:
            self._described = prm.remSdp.wholeSdp
        try:
            prm.sdp.wholeSdp = ours(prm.sdp.wholeSdp, self.place, self.codecs)
        except Malformed:  # pjsip wrote it: there is nobody to tell, and an exception here would abort
            return

    def onStreamCreated(self, prm: Any) -> None:  # noqa: ANN401, N802
        self._streamed()

    def onCallMediaState(self, prm: Any) -> None:  # noqa: ANN401, N802
        remote = self._agreed()
        if remote is None or remote == self.remote:
            return
        self.remote = remote
        if self.early or self.state == "confirmed":
            self._tell(Changed(self.key, remote))

    def onCallTsxState(self, prm: Any) -> None:  # noqa: ANN401, N802
        body = prm.e.body.tsxState
        if body.type != pj.PJSIP_EVENT_RX_MSG:
            return
        message = body.src.rdata.wholeMsg
        method, status = body.tsx.method, body.tsx.statusCode
        ours_ = body.tsx.role == pj.PJSIP_ROLE_UAC
        if method == "INVITE" and ours_:
            described = body_of(message)
            if described:
                self._described = described
            if 100 <= status < 200:
                headers = headers_of(message)
                early = theirs(described) if described else None
                self._tell(Progress(self.key, status, _reason(message), early, _fields(headers)))
            elif described and 200 <= status < 300:
                self.onCallMediaState(None)  # which pjsip called before the answer's SDP was known here
        elif method in {"BYE", "CANCEL"} and not ours_:
            self._last, self._by_peer = message, True

    def onDtmfDigit(self, prm: Any) -> None:  # noqa: ANN401, N802
        ms = prm.duration if prm.duration < 10_000 else 0  # pjsip says 2^32-1 when there was none
        self._tell(Pressed(self.key, prm.digit, ms))

    def onCallRedirected(self, prm: Any) -> int:  # noqa: ANN401, N802
        return int(pj.PJSIP_REDIRECT_REJECT)  # 3xx has a rule of its own, above

    def onCallTransferRequest(self, prm: Any) -> None:  # noqa: ANN401, N802
        prm.statusCode = 603  # peers do not transfer calls that we pay for

    def onCallState(self, prm: Any) -> None:  # noqa: ANN401, N802
        info = self.getInfo()
        if info.state == pj.PJSIP_INV_STATE_CONNECTING and self.side is Side.OUT:
            self._described = _answered(prm.e) or self._described
        elif info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.remote = self._agreed() or self.remote
            self._tell(messages.Answered(self.key, self.remote, ()))
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            change = prm.e.body.tsxState
            if prm.e.type == pj.PJSIP_EVENT_TSX_STATE and change.type == pj.PJSIP_EVENT_RX_MSG:
                # A refusal: the transaction's own callback comes only after this one.
                self._last, self._by_peer = change.src.rdata.wholeMsg, True
            self._tell(
                Ended(
                    self.key,
                    self.place.leg,
                    int(info.lastStatusCode),
                    str(info.lastReason),
                    _fields(headers_of(self._last)) if self._last else (),
                    self._by_peer,
                )
            )
            # The last reference must go here and now: pjsip uses the slot again, and events of the next call
            # would go to this one.
            self._over(self.key, int(info.id))

    # --------------------------------------------------------------------------------------------------------

    def _agreed(self) -> Remote | None:
        """Return what was negotiated: pjsip's word for codec and address, the SDP's for the rest."""
        try:
            stream = self.getStreamInfo(0)
        except pj.Error:  # no stream while both sides are inactive
            return theirs(self._described)
        described = theirs(self._described, stream.codecName.upper())
        host, _, port = stream.remoteRtpAddress.rpartition(":")
        name = stream.codecName.upper()
        rate = 16000 if name == "G722" else int(stream.codecClockRate)
        events = int(stream.audTxEventPt)
        codec = Codec(name, int(stream.txPt), rate, events if 0 <= events < 128 else None)
        if described is None:  # an answer in ACK, which pjsip keeps to itself
            return Remote(host, int(port), codec, _DIRECTIONS[int(stream.dir)])
        return Remote(
            host,
            int(port),
            Codec(name, codec.payload_type, rate, codec.telephone_event, described.codec.ptime),
            described.direction,
            described.srtp_suite,
            described.srtp_key,
            described.rtcp,
        )


def _answered(event: Any) -> str:  # noqa: ANN401
    """Return the SDP of the answer that an event brought: its transaction's own callback comes later."""
    change = event.body.tsxState
    if event.type != pj.PJSIP_EVENT_TSX_STATE or change.type != pj.PJSIP_EVENT_RX_MSG:
        return ""
    return body_of(change.src.rdata.wholeMsg)


def _fields(headers: Headers) -> tuple[Header, ...]:
    return tuple(Header(name, value) for name, value in headers)


def _reason(message: str) -> str:
    return message.partition("\r\n")[0].partition(" ")[2].partition(" ")[2]

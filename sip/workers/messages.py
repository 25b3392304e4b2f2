"""What a gateway tells a worker and a worker tells the gateway: one MessagePack value a packet.

Each worker listens on a Unix socket of whole packets (SOCK_SEQPACKET); the gateway that connects last is
heard. It is greeted with `Ready` and a `Holding` for each call, so that one that was started again goes on.
A command that cannot be carried out is answered by `Failed` and changes nothing. The worker looks at its
socket when its SIP port gets a packet: after a command goes CRLF CRLF (RFC 5626 §3.5.1) to that port.

Names of calls are chosen by whoever makes them: the gateway for what it dials, the worker for what comes.
`leg` is the engine's name of the leg whose address stands in our SDP.
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

MAX_PACKET: Final = 60 * 1024
"""Octets of a packet: a SIP message of 16 KB with its SDP, twice over."""

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Status = Annotated[int, Meta(ge=100, le=699)]


class Side(StrEnum):
    """Who asked for a call."""

    IN = "in"
    OUT = "out"


class Header(Struct, frozen=True, array_like=True):
    """A header field."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9\-.!%*_+`'~]{1,128}$")]
    value: Annotated[str, Meta(pattern=r"^[^\r\n\x00]{0,8192}$")]


class Place(Struct, frozen=True):
    """Where the engine takes a leg's audio."""

    leg: Name
    host: str
    port: Annotated[int, Meta(ge=1, le=65534)]
    srtp_key: str = ""
    """Our SDES key in base64, when audio is to be encrypted (RFC 4568)."""


class Codec(Struct, frozen=True):
    """A codec that an answer chose, and where audio goes."""

    name: str
    payload_type: int
    rate: int
    telephone_event: int | None
    ptime: int = 20


class Remote(Struct, frozen=True):
    """What the peer's SDP says."""

    host: str
    port: int
    codec: Codec
    direction: str
    """As the peer says it: `sendonly` when it holds us."""
    srtp_suite: str = ""
    srtp_key: str = ""
    rtcp: tuple[str, int] | None = None


class Credentials(Struct, frozen=True):
    """What answers a challenge of one realm, and of no other (R4)."""

    realm: str
    username: str
    ha1: str
    """MD5 of user, realm and password; the password itself never comes here."""


# --- commands -----------------------------------------------------------------------------------------------


class Spare(Struct, frozen=True, tag="spare"):
    """A leg that stands ready for the next call that comes; one a free slot, given ahead of any call."""

    place: Place


class Withdraw(Struct, frozen=True, tag="withdraw"):
    """Forget a leg that stands ready: its engine is gone. A call that took it meanwhile keeps it."""

    leg: Name


class Admit(Struct, frozen=True, tag="admit"):
    """Without an edge: take calls from these addresses and networks, and from no others (R4)."""

    sources: tuple[str, ...]


class Dial(Struct, frozen=True, tag="dial"):
    """Call somebody."""

    call: Name
    place: Place
    uri: str
    """Request-URI, and To unless `to` says otherwise."""
    sender: str
    """From, as a name-addr."""
    to: str = ""
    headers: tuple[Header, ...] = ()
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    """What is offered, best first."""
    srtp: bool = False
    """Offer RTP/SAVP with the key of `place`."""
    credentials: Credentials | None = None
    """Of this call alone; forgotten with it."""
    note: str = ""
    """Kept for whoever comes after the gateway (`Holding.note`)."""
    session_timer: bool = True
    """Whether a session timer is offered (RFC 4028)."""


class Answer(Struct, frozen=True, tag="answer"):
    """Answer a call that came: 180, 183 with our SDP, 200; or refuse it, 300 and above."""

    call: Name
    status: Status
    reason: str = ""
    headers: tuple[Header, ...] = ()


class Hangup(Struct, frozen=True, tag="hangup"):
    """End a call, whatever its state: CANCEL, BYE, or a refusal."""

    call: Name
    status: int = 0
    """Of the refusal, for a call that came and was not answered; 0: 603."""
    headers: tuple[Header, ...] = ()


class Hold(Struct, frozen=True, tag="hold"):
    """Hold a call, or go on with it, by re-INVITE."""

    call: Name
    on: bool = True


class Info(Struct, frozen=True, tag="info"):
    """Send digits by INFO (application/dtmf-relay)."""

    call: Name
    digits: Annotated[str, Meta(pattern=r"^[0-9A-D*#]{1,64}$")]
    ms: int = 160


class Drain(Struct, frozen=True, tag="drain"):
    """Take no more calls: INVITE gets 503 (R10). Running calls go on; OPTIONS are the edge's to answer."""

    on: bool = True


class Ping(Struct, frozen=True, tag="ping"):
    """Say `Pong`: one that does not hangs."""


class Quit(Struct, frozen=True, tag="quit"):
    """End every call and the process."""


Command = Spare | Withdraw | Admit | Dial | Answer | Hangup | Hold | Info | Drain | Ping | Quit


# --- events -------------------------------------------------------------------------------------------------


class Ready(Struct, frozen=True, tag="ready"):
    """The first packet to whoever connects."""

    worker: int
    pid: int
    port: int
    """UDP port of SIP."""
    calls: int
    """How many calls this build holds."""
    spares: tuple[str, ...] = ()
    """Legs that stand ready."""
    draining: bool = False
    following: int = 0
    """How many packets of the greeting follow: a `Holding` for each call, an `Ended` for each that ended
    while nobody was connected."""
    lingering: tuple[str, ...] = ()
    """Calls that are over and still have their slot."""


class Holding(Struct, frozen=True, tag="holding"):
    """A call that was there before the gateway connected."""

    call: str
    side: Side
    state: str
    """`calling`, `incoming`, `early`, `confirmed`."""
    leg: str
    call_id: str
    remote: Remote | None = None
    place: Place | None = None
    """What stands in our SDP."""
    note: str = ""
    """`Dial.note`; of a call that came, the `X-Tandem-Trunk` of its INVITE."""
    source: str = ""
    """Of a call that came: `Incoming.source`."""


class Incoming(Struct, frozen=True, tag="incoming"):
    """A call came, and waits for `Answer`; 100 was said."""

    call: str
    leg: str
    """The spare that it took."""
    call_id: str
    uri: str
    """Request-URI."""
    sender: str
    to: str
    source: str
    """`host:port` that the packet came from: the edge."""
    headers: tuple[Header, ...]
    """Every header of the INVITE."""
    offer: bool
    """Whether it bore SDP; False: a late offer."""
    sdp: str = ""
    """That SDP, as it came."""


class Progress(Struct, frozen=True, tag="progress"):
    """A call of ours got a provisional response; 100 is told too, for it says that somebody is there."""

    call: str
    status: int
    reason: str
    remote: Remote | None
    """Early media, when the response bore SDP."""
    headers: tuple[Header, ...] = ()


class Answered(Struct, frozen=True, tag="answered"):
    """A call is up: the 200 is there and acknowledged, or the ACK came."""

    call: str
    remote: Remote | None
    headers: tuple[Header, ...] = ()


class Changed(Struct, frozen=True, tag="changed"):
    """The peer's audio changed: hold, another address, another codec."""

    call: str
    remote: Remote


class Pressed(Struct, frozen=True, tag="pressed"):
    """A digit came by INFO."""

    call: str
    digit: str
    ms: int


class Ended(Struct, frozen=True, tag="ended"):
    """A call is over. Its slot is free with `Freed`: when we hang up pjsip says at once that it is over, and
    keeps its slot until the peer has agreed, or for 32 seconds."""

    call: str
    leg: str
    status: int
    """SIP status that ended it; 200 for BYE."""
    reason: str
    headers: tuple[Header, ...] = ()
    """Of the final response or the BYE: Reason, Contact of a redirection, Retry-After."""
    by_peer: bool = False


class Freed(Struct, frozen=True, tag="freed"):
    """The slot of a call that ended is free."""

    call: str


class Pong(Struct, frozen=True, tag="pong"):
    """Answer to `Ping`."""


class Failed(Struct, frozen=True, tag="failed"):
    """A command was not carried out."""

    call: str
    command: str
    text: str


Event = Ready | Holding | Incoming | Progress | Answered | Changed | Pressed | Ended | Freed | Pong | Failed


# --- settings -----------------------------------------------------------------------------------------------


class WorkerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """What a worker is told at its start, and nothing secret."""

    folder: str
    """Where the sockets of workers are."""
    host: str = "127.0.0.1"
    """Address of SIP; the edge is on this machine."""
    public_host: str = ""
    """Without an edge: the address that peers are told in Contact and Via, when it is another."""
    first_port: int = 5100
    """UDP port of worker 0; the others follow. 0: the system chooses."""
    workers: int = 2
    edge: str = ""
    """Where every request of ours goes first, `sip:127.0.0.1:5060;lr`; empty: straight to its Request-URI."""
    secret: str = ""
    """What the edge puts into `X-Tandem-Edge` of everything that it passes on; made anew with each start."""
    sources: tuple[str, ...] = ()
    """Without an edge: addresses and networks that calls are taken from; none: nobody's (R4)."""
    codecs: tuple[str, ...] = ("PCMU", "PCMA", "G722")
    """What is answered with, best first."""
    session_seconds: int = 900
    """Session-Expires that we offer (RFC 4028; R7)."""
    min_session_seconds: int = 90
    user_agent: str = "Tandem"

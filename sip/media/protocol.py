"""The engine's control protocol: what a gateway asks of a media engine, and what the engine tells it.

A Unix stream socket carries frames both ways: four octets of length, big-endian, then that many octets of
MessagePack, one `Frame` each. Whoever connects sends `Request`s; each is answered by one `Answer` with the
same `id`, within 10 ms whatever the load. `Event`s come unasked, in order. A clip's samples go as a
descriptor of shared memory beside the octets of its `PutClip` (SCM_RIGHTS).

Whatever is made belongs to the connection's `owner`, not to the connection: a gateway that was restarted
connects again, asks for `Survey` and finds its legs as they were. Names (`leg`, `bridge`, ...) are chosen by
the asker, so that a request that is sent twice has one effect: opening what is open with the same settings is
answered as the first time, closing what is gone is `Refused(reason="unknown-leg")` and harms nothing.

Times are seconds unless the name says `ms`; rates are samples a second; levels are dBm0.
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

MAX_FRAME: Final = 64 * 1024
"""Octets of a frame: the longest, a survey's page of legs, takes less than half."""

PROTOCOL: Final = 1
"""Version; an engine refuses another one by name."""

Name = Annotated[str, Meta(min_length=1, max_length=64)]
Payload = Annotated[int, Meta(ge=0, le=127)]
Port = Annotated[int, Meta(ge=0, le=65535)]
Ptime = Annotated[int, Meta(ge=10, le=60, multiple_of=10)]
Gain = Annotated[float, Meta(ge=-60.0, le=24.0)]


class Codec(StrEnum):
    """What RTP carries (RFC 3551 §6)."""

    PCMU = "PCMU"
    PCMA = "PCMA"
    G722 = "G722"
    L16 = "L16"


class Latch(StrEnum):
    """From where a leg takes RTP, and where it sends it (R12)."""

    NEVER = "never"
    """Only the negotiated address and port."""
    SIGNALLING = "signalling-address"
    """Any port of the negotiated address or of the peer's signalling one; the first valid packet decides."""
    ANY = "any"
    """The first valid packet decides, wherever it is from."""


class Direction(StrEnum):
    """Which way a leg's media flow, as the engine sees it (RFC 3264 §5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


class Refusal(StrEnum):
    """Why a request was not carried out."""

    MALFORMED = "malformed"
    VERSION = "version"
    FULL = "full"
    """No more legs, ports or memory; or the load says that more would be late."""
    DRAINING = "draining"
    UNKNOWN_LEG = "unknown-leg"
    UNKNOWN_BRIDGE = "unknown-bridge"
    UNKNOWN_CLIP = "unknown-clip"
    UNKNOWN_STREAM = "unknown-stream"
    CONFLICT = "conflict"
    """That name is in use with other settings."""
    UNSUPPORTED = "unsupported"
    """A codec, rate or option that the engine does not have."""


# --- what requests are made of ------------------------------------------------------------------------------


class Address(Struct, frozen=True, forbid_unknown_fields=True):
    """An IPv4 address and port."""

    host: str
    port: Port


class Format(Struct, frozen=True, forbid_unknown_fields=True):
    """A codec as it was negotiated."""

    codec: Codec
    payload_type: Payload
    rate: int = 8000
    """Samples a second: 8000 for PCMU and PCMA, 16000 for G722 (whose RTP clock is 8000, RFC 3551 §4.5.2),
    8000, 16000, 24000 or 48000 for L16."""
    ptime: Ptime = 20
    """Milliseconds that we send in a packet; whatever comes is taken."""


class Srtp(Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of SDES-SRTP (RFC 4568): master key and salt, 30 octets for AES_CM_128_HMAC_SHA1_80."""

    suite: str
    """`AES_CM_128_HMAC_SHA1_80` or `AES_CM_128_HMAC_SHA1_32`."""
    send: bytes
    receive: bytes


class Media(Struct, frozen=True, forbid_unknown_fields=True):
    """What was negotiated with a leg's peer; all of it can change during a call."""

    remote: Address | None = None
    """Where to send. None: nowhere yet, unless the leg may latch."""
    formats: tuple[Format, ...] = ()
    """What we may receive; the first is what we send."""
    telephone_event: Payload | None = None
    """Payload type of RFC 4733 events at 8000; None: the peer takes none."""
    comfort_noise: Payload | None = None
    """Payload type of RFC 3389; 13 usually. None: none."""
    direction: Direction = Direction.SENDRECV
    latch: Latch = Latch.SIGNALLING
    signalling: str = ""
    """The peer's signalling address, for `Latch.SIGNALLING`."""
    rtcp: Address | None = None
    """Where RTCP goes. None: the next port (RFC 3550 §11), or the same one with `rtcp_mux`."""
    rtcp_mux: bool = False
    srtp: Srtp | None = None
    ssrc: Annotated[int, Meta(ge=0, lt=2**32)] | None = None
    """What the peer sends with (RFC 5576), for legs on the shared port whose peers have one address."""
    timeout: float = 60.0
    """Seconds without RTP and RTCP after which `MediaTimeout` is told (R15); 0: never."""


# --- requests -----------------------------------------------------------------------------------------------


class Hello(Struct, frozen=True, forbid_unknown_fields=True, tag="hello"):
    """The first request of a connection."""

    owner: Name
    protocol: int = PROTOCOL


class OpenRtp(Struct, frozen=True, forbid_unknown_fields=True, tag="open-rtp"):
    """Open a leg of RTP. Answered by `Opened` with the port to write into SDP."""

    leg: Name
    media: Media = Media()
    shared: bool = False
    """Whether it uses the engine's shared port: internal peers only, told apart by address and SSRC."""


class OpenPcm(Struct, frozen=True, forbid_unknown_fields=True, tag="open-pcm"):
    """Open a leg of PCM over Unix datagrams (`sip.media.pcm`): bots, WebRTC."""

    leg: Name
    peer: str
    """Path of the other process's datagram socket."""
    rate: int
    """8000, 16000, 24000 or 48000."""


class Change(Struct, frozen=True, forbid_unknown_fields=True, tag="change"):
    """Take a new negotiation for a leg of RTP."""

    leg: Name
    media: Media


class CloseLeg(Struct, frozen=True, forbid_unknown_fields=True, tag="close-leg"):
    """End a leg. Answered by `Closed` with its last statistics; its port rests for 30 s (R13)."""

    leg: Name


class OpenBridge(Struct, frozen=True, forbid_unknown_fields=True, tag="open-bridge"):
    """Open a bridge: legs that hear each other, never themselves."""

    bridge: Name


class CloseBridge(Struct, frozen=True, forbid_unknown_fields=True, tag="close-bridge"):
    """Close a bridge; its legs stay, and hear nothing."""

    bridge: Name


class Join(Struct, frozen=True, forbid_unknown_fields=True, tag="join"):
    """Put a leg into a bridge, out of the one that it is in; or change how it takes part."""

    leg: Name
    bridge: Name
    talks: bool = True
    """Whether the others hear it; False: muted or listen-only."""
    listens: bool = True
    """Whether it hears the others."""
    gain: Gain = 0.0
    """dB on what it says."""


class Leave(Struct, frozen=True, forbid_unknown_fields=True, tag="leave"):
    """Take a leg out of its bridge."""

    leg: Name


class PutClip(Struct, frozen=True, forbid_unknown_fields=True, tag="put-clip"):
    """Give the engine a clip: a descriptor of sealed shared memory with int16 samples, native order.

    A clip with that name is replaced; who plays the old one plays it to its end.
    """

    clip: Name
    rate: int
    samples: int


class DropClip(Struct, frozen=True, forbid_unknown_fields=True, tag="drop-clip"):
    """Forget a clip; who plays it plays it to its end."""

    clip: Name


class Tone(Struct, frozen=True, forbid_unknown_fields=True, tag="tone"):
    """A tone: one or two frequencies, on and off (ITU-T E.180)."""

    hertz: tuple[float, ...]
    level: Annotated[float, Meta(ge=-60.0, le=3.0)] = -13.0
    """dBm0 of each frequency."""
    cadence: tuple[int, ...] = ()
    """Milliseconds on, off, on, off, ...; none: without a break."""


class Clip(Struct, frozen=True, forbid_unknown_fields=True, tag="clip"):
    """A clip that was put."""

    clip: Name
    gain: Gain = 0.0


class Stream(Struct, frozen=True, forbid_unknown_fields=True, tag="stream"):
    """PCM that another process sends as `sip.media.pcm` datagrams."""

    rate: int


Source = Tone | Clip | Stream


class Play(Struct, frozen=True, forbid_unknown_fields=True, tag="play"):
    """Play to a leg (beside what it hears, or instead of it) or to all legs of a bridge.

    Answered by `Started`; `PlayFinished` is told at the end.
    """

    play: Name
    source: Source
    leg: Name | None = None
    bridge: Name | None = None
    repeat: Annotated[int, Meta(ge=0)] = 1
    """How often; 0: until it is stopped (hold music)."""
    alone: bool = True
    """Whether a leg hears this instead of its bridge."""


class Stop(Struct, frozen=True, forbid_unknown_fields=True, tag="stop"):
    """Stop something that plays."""

    play: Name


class Tap(Struct, frozen=True, forbid_unknown_fields=True, tag="tap"):
    """Send what a leg says, what it hears, or what a bridge sounds like to another process, as PCM datagrams.

    Each frame bears the engine's time in samples, so that recordings can be put together exactly.
    """

    tap: Name
    peer: str
    """Path of that process's datagram socket."""
    rate: int
    leg: Name | None = None
    bridge: Name | None = None
    heard: bool = False
    """With `leg`: what it hears, not what it says."""


class Untap(Struct, frozen=True, forbid_unknown_fields=True, tag="untap"):
    """End a tap; its last frame is marked so."""

    tap: Name


class SendDigits(Struct, frozen=True, forbid_unknown_fields=True, tag="send-digits"):
    """Send DTMF to a leg's peer, after what is being sent already. `PlayFinished` is told at the end."""

    play: Name
    leg: Name
    digits: Annotated[str, Meta(pattern=r"^[0-9A-D*#]{1,64}$")]
    tone_ms: Annotated[int, Meta(ge=40, le=8000)] = 100
    gap_ms: Annotated[int, Meta(ge=40, le=8000)] = 100
    inband: bool | None = None
    """As tones in the audio, or by RFC 4733; None: by RFC 4733 when the peer takes it."""


class Detect(Struct, frozen=True, forbid_unknown_fields=True, tag="detect"):
    """Say what is listened for on a leg; RFC 4733 digits are always told."""

    leg: Name
    dtmf: bool = False
    """Tones in the audio (ITU-T Q.24)."""
    speech: bool = False
    """`Speech` and `Silence` events."""
    silence_ms: Annotated[int, Meta(ge=100, le=60_000)] = 700
    """How long it must be quiet until `Silence` is told."""


class Quality(Struct, frozen=True, forbid_unknown_fields=True, tag="quality"):
    """Ask for a leg's statistics. Answered by `Statistics`."""

    leg: Name


class Survey(Struct, frozen=True, forbid_unknown_fields=True, tag="survey"):
    """Ask for what there is, by pages: legs whose names come after `after`. Answered by `Surveyed`."""

    after: str = ""


class AskLoad(Struct, frozen=True, forbid_unknown_fields=True, tag="load"):
    """Ask how busy the engine is. Answered by `Load`."""


class Drain(Struct, frozen=True, forbid_unknown_fields=True, tag="drain"):
    """Take no more legs; what runs goes on."""


Command = (
    Hello
    | OpenRtp
    | OpenPcm
    | Change
    | CloseLeg
    | OpenBridge
    | CloseBridge
    | Join
    | Leave
    | PutClip
    | DropClip
    | Play
    | Stop
    | Tap
    | Untap
    | SendDigits
    | Detect
    | Quality
    | Survey
    | AskLoad
    | Drain
)


# --- answers ------------------------------------------------------------------------------------------------


class Done(Struct, frozen=True, tag="done"):
    """It was carried out."""


class Refused(Struct, frozen=True, tag="refused"):
    """It was not carried out, and nothing changed."""

    reason: Refusal
    text: str
    """What is wrong and what would be right, in words."""


class Welcome(Struct, frozen=True, tag="welcome"):
    """Answer to `Hello`."""

    engine: str
    """Name of this start of the engine: another one has none of the legs."""
    protocol: int
    pcm: str
    """Path of the engine's own datagram socket, where PCM goes."""
    max_legs: int


class Opened(Struct, frozen=True, tag="opened"):
    """A leg is open."""

    local: Address | None
    """Where it takes RTP; RTCP on the next port. None for PCM."""
    ssrc: int
    stream: int = 0
    """Of PCM: the number that its datagrams bear."""


class Started(Struct, frozen=True, tag="started"):
    """It plays, or is tapped."""

    stream: int = 0
    """Of a `Stream` or a tap: the number that its datagrams bear."""


class Statistics(Struct, frozen=True, tag="statistics"):
    """What is known of a leg; counts since it was opened."""

    leg: str
    received: int = 0
    octets_received: int = 0
    sent: int = 0
    octets_sent: int = 0
    lost: int = 0
    """Expected and not received (RFC 3550 §A.3)."""
    late: int = 0
    """Came after their time to be played."""
    duplicates: int = 0
    concealed: int = 0
    """Frames of 20 ms that were made up."""
    played: int = 0
    """Frames of 20 ms that were due."""
    jitter_ms: float = 0.0
    """Inter-arrival jitter (RFC 3550 §6.4.1)."""
    depth_ms: float = 0.0
    """Of the jitter buffer now."""
    round_trip_ms: float | None = None
    """By RTCP; None: not known."""
    remote_lost: int | None = None
    """What the peer says it did not receive of ours."""
    remote_jitter_ms: float | None = None
    mos: float | None = None
    """Estimated listening quality, 1 to 4.5 (ITU-T G.107, from loss, jitter and delay)."""
    foreign: int = 0
    """Packets from elsewhere that were dropped (R12)."""
    malformed: int = 0
    """Packets that are no RTP, of unknown payload types, or whose SRTP did not verify."""
    flooded: int = 0
    """Packets beyond what a leg may receive in a second."""
    codec: str = ""
    remote: Address | None = None
    """Where we send: negotiated or latched."""


class Closed(Struct, frozen=True, tag="closed"):
    """A leg is gone."""

    statistics: Statistics


class LegState(Struct, frozen=True):
    """A leg as `Survey` tells it."""

    leg: str
    bridge: str = ""
    local: Address | None = None
    codec: str = ""
    stream: int = 0


class Surveyed(Struct, frozen=True, tag="surveyed"):
    """A page of the owner's legs, in the order of their names."""

    legs: tuple[LegState, ...]
    more: bool
    bridges: int = 0
    clips: int = 0


class Load(Struct, frozen=True, tag="load-is"):
    """How busy the engine is, over the last second."""

    legs: int
    max_legs: int
    bridges: int
    busy: float
    """Share of the time in which it worked, 0 to 1."""
    received: int
    """Packets a second."""
    sent: int
    late_ticks: int
    """Play-out ticks that began more than 20 ms late, since the start."""
    worst_tick_ms: float
    """The longest delay of a tick in the last second."""
    shed: int
    """Packets that were dropped for their age, since the start."""
    ports_free: int
    io: str
    """`io_uring` or `sockets`."""
    accepts: bool
    """Whether it takes more legs."""
    draining: bool = False


Reply = Done | Refused | Welcome | Opened | Started | Statistics | Closed | Surveyed | Load


# --- events -------------------------------------------------------------------------------------------------


class Digit(Struct, frozen=True, tag="digit"):
    """A digit was pressed: told once, when it ends or is as long as it must be."""

    leg: str
    digit: str
    ms: int
    inband: bool
    at: int
    """Engine time in microseconds (CLOCK_MONOTONIC) at which it began."""


class Speech(Struct, frozen=True, tag="speech"):
    """Somebody began to speak."""

    leg: str
    at: int


class Silence(Struct, frozen=True, tag="silence"):
    """It has been quiet for `Detect.silence_ms`."""

    leg: str
    at: int


class FirstRtp(Struct, frozen=True, tag="first-rtp"):
    """The first packet of a leg that was taken."""

    leg: str
    remote: Address
    at: int


class MediaTimeout(Struct, frozen=True, tag="media-timeout"):
    """Nothing came for as long as `Media.timeout` says."""

    leg: str
    seconds: float


class PlayFinished(Struct, frozen=True, tag="play-finished"):
    """Something that played ended."""

    play: str
    reason: str
    """`end`, `stopped`, `leg-gone`, `bridge-gone`, `stream-ended` or `stream-starved`."""
    ms: int
    """How much of it was played."""


class QualityChanged(Struct, frozen=True, tag="quality-changed"):
    """A leg's quality became poor, or good again."""

    statistics: Statistics
    poor: bool


class TapLost(Struct, frozen=True, tag="tap-lost"):
    """A tap's process is gone, or takes its frames too slowly: frames were dropped."""

    tap: str
    dropped: int


Event = Digit | Speech | Silence | FirstRtp | MediaTimeout | PlayFinished | QualityChanged | TapLost


# --- frames -------------------------------------------------------------------------------------------------


class Request(Struct, frozen=True, forbid_unknown_fields=True, tag="request"):
    """A command and its number."""

    id: Annotated[int, Meta(ge=0, lt=2**32)]
    command: Command


class Answer(Struct, frozen=True, tag="answer"):
    """What became of a request."""

    id: int
    reply: Reply


class Told(Struct, frozen=True, tag="event"):
    """An event."""

    event: Event


Frame = Request | Answer | Told

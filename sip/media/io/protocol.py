"""The control protocol of media I/O: prompts and recordings, as a gateway asks for them.

The same frames as an engine's (`sip.media.framing`): `Request`s with a number, one `Answer` each, and
`Told` events in order. A request is answered when it is accepted; what takes time is told by events.
Names are chosen by the asker; the same request sent twice has one effect. What was begun goes on when the
connection ends, and its events wait, up to MAX_KEPT, for the owner's next connection.
"""

from enum import StrEnum
from typing import Annotated, Final

from msgspec import Meta, Struct

from sip.media.protocol import Name

PROTOCOL: Final = 1

MAX_TRACKS: Final = 16
"""Legs of a recording with a channel a leg; Azure's have five."""

MAX_KEPT: Final = 1000
"""Events that wait for an owner who is not connected; beyond, the oldest is forgotten."""

Source = Annotated[str, Meta(min_length=1, max_length=2048)]
"""`https://…` or `http://…`, or `store:NAME` for a file in the folder of prompts."""

FileName = Annotated[
    str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9_-]{0,63}/)?[A-Za-z0-9][A-Za-z0-9_-]{0,120}$")
]
"""Name of a recording below the folder of recordings, without its ending."""


class Layout(StrEnum):
    """What a recording's channels are."""

    MIXED = "mixed"
    """One channel: the sum of all tracks."""
    SEPARATE = "separate"
    """A channel a track, in the order of the tracks."""


class Kind(StrEnum):
    """What a recording is kept as."""

    WAV = "wav"
    MP3 = "mp3"
    """Made of the WAV at the end, which is then removed; two channels at most."""


class Refusal(StrEnum):
    """Why a request was not carried out."""

    MALFORMED = "malformed"
    VERSION = "version"
    FULL = "full"
    """As many recordings, or prompts in the making, as the settings allow."""
    UNKNOWN = "unknown"
    """No recording of that name runs."""
    CONFLICT = "conflict"
    """That name, or that file, is there already."""
    UNSUPPORTED = "unsupported"
    DISK = "disk"
    """The file cannot be made; the text says why."""


class Failure(StrEnum):
    """Why a prompt cannot be had."""

    REFUSED = "refused"
    """The URL leads where nothing may be fetched, or the name is none."""
    UNREACHABLE = "unreachable"
    """No answer in time, or no connection."""
    STATUS = "status"
    """The server answered something else than the file."""
    TOO_LARGE = "too-large"
    """More octets than `prompt_octets`."""
    TOO_LONG = "too-long"
    """More seconds of sound than `prompt_seconds`."""
    UNREADABLE = "unreadable"
    """No sound of a format that is taken, or damaged."""
    FAILED = "failed"
    """Something of ours failed: no memory, no process."""


class End(StrEnum):
    """Why a recording ended."""

    STOPPED = "stopped"
    """It was asked to, or every track ended."""
    LIMIT = "limit"
    """It became as long as it may."""
    DISK = "disk"
    """The disk is full, too slow or broken: what was written is kept."""
    REPAIRED = "repaired"
    """This process had ended without finishing it; the file holds what had been written."""


# --- requests -----------------------------------------------------------------------------------------------


class Hello(Struct, frozen=True, forbid_unknown_fields=True, tag="hello"):
    """The first request of a connection; the events of that owner go there from now on."""

    owner: Name
    protocol: int = PROTOCOL


class PreparePrompt(Struct, frozen=True, forbid_unknown_fields=True, tag="prepare-prompt"):
    """Fetch and decode a sound. `PromptReady` or `PromptFailed` is told."""

    prompt: Name
    source: Source
    rate: int = 16000
    """8000, 16000, 24000 or 48000 samples a second."""


class StartRecording(Struct, frozen=True, forbid_unknown_fields=True, tag="start-recording"):
    """Begin a recording. Answered by `Recording`: where the taps of the engine go."""

    recording: Name
    file: FileName
    rate: int
    tracks: Annotated[tuple[Name, ...], Meta(min_length=1, max_length=MAX_TRACKS)]
    """What is recorded, by names of the asker's."""
    layout: Layout = Layout.MIXED
    kind: Kind = Kind.WAV
    max_seconds: Annotated[float, Meta(gt=0)] | None = None
    """None: what the settings say; they are the ceiling as well."""


class PauseRecording(Struct, frozen=True, forbid_unknown_fields=True, tag="pause-recording"):
    """Leave out what comes from now on."""

    recording: Name


class ResumeRecording(Struct, frozen=True, forbid_unknown_fields=True, tag="resume-recording"):
    """Go on, where it was paused."""

    recording: Name


class StopRecording(Struct, frozen=True, forbid_unknown_fields=True, tag="stop-recording"):
    """End a recording; `RecordingFinished` is told when its file is whole."""

    recording: Name


class AskLoad(Struct, frozen=True, forbid_unknown_fields=True, tag="load"):
    """Ask how busy it is. Answered by `Load`."""


Command = Hello | PreparePrompt | StartRecording | PauseRecording | ResumeRecording | StopRecording | AskLoad


# --- answers ------------------------------------------------------------------------------------------------


class Done(Struct, frozen=True, tag="done"):
    """It was accepted."""


class Refused(Struct, frozen=True, tag="refused"):
    """It was not, and nothing changed."""

    reason: Refusal
    text: str


class Welcome(Struct, frozen=True, tag="welcome"):
    """Answer to `Hello`."""

    start: str
    """Name of this start of the process: another one has none of the recordings."""
    protocol: int
    recordings: tuple[str, ...]
    """The owner's, that run."""


class Recording(Struct, frozen=True, tag="recording"):
    """A recording waits for its sound."""

    peers: tuple[str, ...]
    """For each track the path of the datagram socket for the engine's tap."""


class Load(Struct, frozen=True, tag="load-is"):
    """How busy it is."""

    recordings: int
    max_recordings: int
    decoding: int
    """Prompts in the making."""
    cached: int
    """Sounds that are kept."""
    cached_octets: int
    dropped: int
    """Frames of PCM that came too late, were damaged or were nobody's, since the start."""
    failed: int
    """Recordings that ended for the disk's sake, since the start."""


Reply = Done | Refused | Welcome | Recording | Load


# --- events -------------------------------------------------------------------------------------------------


class PromptReady(Struct, frozen=True, tag="prompt-ready"):
    """A sound is there: its descriptor (`sip.media.clips`) comes with this frame."""

    prompt: str
    clip: str
    """Name of these very samples: two prompts with one clip name are the same sound."""
    rate: int
    samples: int


class PromptFailed(Struct, frozen=True, tag="prompt-failed"):
    """A sound cannot be had."""

    prompt: str
    reason: Failure
    text: str
    """For whoever named the source."""
    status: int | None = None
    """Of the server, with `STATUS`."""


class RecordingProgress(Struct, frozen=True, tag="recording-progress"):
    """How far a recording is: told when its first sound came, and then with each sync to disk."""

    recording: str
    seconds: float
    octets: int


class RecordingFinished(Struct, frozen=True, tag="recording-finished"):
    """A recording's file is whole."""

    recording: str
    """Empty with `REPAIRED`: its file's name tells which it was."""
    file: str
    """Below the folder of recordings, with its ending."""
    seconds: float
    octets: int
    reason: End
    late: int = 0
    """Frames that came too late to be mixed in before they were written; they were put in afterwards."""
    lost: int = 0
    """Frames that did not come: silence stands for them."""


class RecordingFailed(Struct, frozen=True, tag="recording-failed"):
    """A recording ended before its time; `file` holds what there is, empty when there is nothing."""

    recording: str
    file: str
    seconds: float
    reason: End
    text: str


Event = PromptReady | PromptFailed | RecordingProgress | RecordingFinished | RecordingFailed


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

"""What media I/O is started with."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from telephony.kernel.http.outbound_addresses import OutboundSettings
from telephony.kernel.log import LogSettings


class PromptSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Sounds that are played: where from, and how large they may be."""

    octets: Annotated[int, Meta(ge=1024, le=64 << 20)] = 16 << 20
    """Octets of a file: ten minutes of MP3 are 10 MB."""
    seconds: Annotated[float, Meta(gt=0, le=7200)] = 600.0
    """Seconds of sound in a file, whatever its octets say."""
    fetch_seconds: Annotated[float, Meta(gt=0, le=300)] = 10.0
    """How long the server may take for the whole file."""
    fresh_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 60.0
    """How long a file is played again without asking its server whether it has changed."""
    cache_octets: Annotated[int, Meta(ge=0, le=8 << 30)] = 128 << 20
    """Octets of memory for sounds that are kept: an hour at 16,000 samples a second is 115 MB."""
    decoders: Annotated[int, Meta(ge=1, le=64)] = 2
    """Files that are decoded at once, each in a process of its own."""
    decode_seconds: Annotated[float, Meta(gt=0, le=300)] = 20.0
    """How long decoding one may take."""


class RecordingSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Recordings: where they are kept, how long and how many they may be."""

    folder: Path | None = None
    """Folder of the files. Empty: `recordings` in the data folder."""
    seconds: Annotated[float, Meta(gt=0, le=172_800)] = 14_400.0
    """How long one may be; a file's size has a limit of 4 GB as well."""
    at_once: Annotated[int, Meta(ge=1, le=10_000)] = 500
    """Recordings that run at once."""
    sync_seconds: Annotated[float, Meta(ge=0, le=3600)] = 5.0
    """How often what is recorded is forced to disk: what a power cut may cost. 0: at the end only."""


class IoSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it. Paths of sockets are at most 107 octets (unix(7))."""

    control: Path
    """Control socket."""
    sockets: Path
    """Folder for the datagram sockets of recordings."""
    recordings_folder: Path
    prompts_folder: Path
    """Files that `store:NAME` means."""
    prompts: PromptSettings = PromptSettings()
    recordings: RecordingSettings = RecordingSettings()
    outbound: OutboundSettings = OutboundSettings()
    log: LogSettings = LogSettings()

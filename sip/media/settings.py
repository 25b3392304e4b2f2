"""The settings of audio: where RTP is received, how many engines there are, prompts and recordings."""

import ipaddress
import os
from pathlib import Path
from typing import Annotated, Final

from msgspec import Meta, Struct

from sip.media.engine.settings import MAX_LEGS, Io
from sip.media.io.settings import PromptSettings, RecordingSettings
from sip.media.protocol import Latch

PORTS_A_LEG: Final = 2
"""RTP and RTCP (RFC 3550 §11)."""


class MediaSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The audio of calls. What cannot be used costs calls their audio; texts go on without."""

    enabled: bool = True
    """Whether this node carries audio: media engines and media I/O run."""
    engines: Annotated[int, Meta(ge=0, le=64)] = 1
    """Media engines, a process and up to one core each. 0: one for every core but one."""
    address: str = "127.0.0.1"
    """IPv4 address that RTP is received on; `0.0.0.0` for all."""
    public_address: str = ""
    """IPv4 address that carriers and telephones are told, when address translation stands between. Empty:
    the one above."""
    first_port: Annotated[int, Meta(ge=1024, le=65534, multiple_of=2)] = 20_000
    last_port: Annotated[int, Meta(ge=1025, le=65535)] = 29_999
    """UDP ports for RTP and RTCP, two a leg; divided among the engines."""
    legs: Annotated[int, Meta(ge=2, le=60_000)] = MAX_LEGS
    """Legs an engine takes at most; it refuses more earlier when it would be late."""
    io: Io = Io.AUTO
    """`io_uring` where the kernel allows it, `sockets` where it does not; `auto` finds out."""
    latch: Latch = Latch.SIGNALLING
    """From where RTP is taken unless a trunk says otherwise: only the negotiated address and port (`never`),
    any port of that address or of the signalling one, decided by the first packet (`signalling-address`), or
    anywhere (`any`)."""
    prompts_folder: Path | None = None
    """Folder of the files that `store:NAME` means. Empty: `prompts` in the data folder."""
    sockets: Path | None = None
    """Folder of the sockets between the node's processes, at most 60 characters. Empty: `sockets` in the data
    folder, or one in `/tmp` when that name is too long."""
    prompts: PromptSettings = PromptSettings()
    recordings: RecordingSettings = RecordingSettings()

    def __post_init__(self) -> None:
        count = self.engine_count()
        if self.last_port - self.first_port + 1 < PORTS_A_LEG * count:
            asked = f"{self.first_port} to {self.last_port}"
            raise ValueError(f"first_port, last_port: {asked} are too few for {count} engines")
        for name, address in (("address", self.address), ("public_address", self.public_address)):
            if address and not _is_address(address):
                raise ValueError(f"{name}: {address} is no IPv4 address")

    def engine_count(self) -> int:
        """Return how many engines run on this node."""
        if not self.enabled:
            return 0
        return self.engines or max(1, (os.cpu_count() or 1) - 1)

    def ports(self, engine: int) -> tuple[int, int]:
        """Return the first and the last port of an engine, counted from 0."""
        pairs = (self.last_port - self.first_port + 1) // PORTS_A_LEG
        count = self.engine_count()
        first, after = pairs * engine // count, pairs * (engine + 1) // count
        return self.first_port + PORTS_A_LEG * first, self.first_port + PORTS_A_LEG * after - 1


def _is_address(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True

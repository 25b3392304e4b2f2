"""What an engine is started with: its command line."""

import argparse
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

MAX_LEGS: Final = 2000
"""Legs of one engine by default: about what a core carries on shared ports, both ways."""

RECEIVE_BUFFER: Final = 64 * 1024
"""Octets that a port's socket holds: about 50 packets of 20 ms with the kernel's overhead, one second of a
call. More would turn overload into delay."""

SHARED_BUFFER: Final = 8 * 1024 * 1024
"""Octets of the shared port's socket: 2,500 streams send 2,500 packets in 20 ms, perhaps all at once."""


class Io(StrEnum):
    """How packets are read and sent."""

    AUTO = "auto"
    """What measured best: sockets (`open_io`)."""
    SOCKETS = "sockets"
    IO_URING = "io_uring"


@dataclass(frozen=True, slots=True)
class Settings:
    """An engine's settings."""

    control: str
    """Path of the control socket."""
    pcm: str
    """Path of the datagram socket that takes PCM."""
    address: str = "127.0.0.1"
    """IPv4 address that RTP is received on; 0.0.0.0 takes all."""
    announce: str = ""
    """Address that `Opened` tells; the one above by default (behind address translation it is another)."""
    low: int = 20000
    high: int = 29999
    shared: int = 0
    """The shared port; 0 lets the kernel choose."""
    max_legs: int = MAX_LEGS
    io: Io = Io.AUTO
    name: str = "media"

    @property
    def announced(self) -> str:
        """The address to write into SDP."""
        return self.announce or self.address


def parse(arguments: list[str]) -> Settings:
    """Return the settings of a command line; exits with status 2 and a sentence on a wrong one."""
    parser = argparse.ArgumentParser(prog="sip.media.engine", description="The media engine.")
    parser.add_argument("--control", required=True, help="path of the control socket")
    parser.add_argument("--pcm", required=True, help="path of the datagram socket for PCM")
    parser.add_argument("--address", default="127.0.0.1", help="IPv4 address to receive RTP on")
    parser.add_argument("--announce", default="", help="IPv4 address that peers are told, if another")
    parser.add_argument("--ports", default="20000-29999", help="range of ports, LOW-HIGH")
    parser.add_argument("--shared-port", type=int, default=0, help="the port of internal legs; 0: any")
    parser.add_argument("--max-legs", type=int, default=MAX_LEGS)
    parser.add_argument("--io", choices=list(Io), default=Io.AUTO, type=Io)
    parser.add_argument("--name", default="media", help="name in answers and messages")
    given = parser.parse_args(arguments)
    low, _, high = given.ports.partition("-")
    if not (low.isdecimal() and high.isdecimal()):
        parser.error(f"--ports {given.ports}: expected LOW-HIGH, as 20000-29999")
    if not 1 <= given.max_legs <= 60_000:
        parser.error(f"--max-legs {given.max_legs}: expected 1 to 60000")
    return Settings(
        control=given.control,
        pcm=given.pcm,
        address=given.address,
        announce=given.announce,
        low=int(low),
        high=int(high),
        shared=given.shared_port,
        max_legs=given.max_legs,
        io=given.io,
        name=given.name,
    )

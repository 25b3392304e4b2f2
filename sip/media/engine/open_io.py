"""Which way of reading and sending an engine uses.

`auto` is the loop over sockets: with a port a leg, at 500 to 900 streams, io_uring as it is used here cost
15.6 to 18.2 µs a packet and the loop 14.9 to 15.4 (`python -m bench media`), and Docker refuses io_uring.
"""

from sip.media.engine.packets import Io as Packets
from sip.media.engine.settings import Io, Settings
from sip.media.engine.sockets import SocketIo
from sip.media.engine.uring import UringIo


def open_io(settings: Settings) -> Packets:
    """Return the way of packets. Raises OSError when the one that was asked for cannot be used."""
    if settings.io is Io.IO_URING:
        return UringIo(settings.address, settings.shared)
    return SocketIo(settings.address, settings.shared)

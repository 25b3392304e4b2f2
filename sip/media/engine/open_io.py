"""Which way of reading and sending an engine uses: what was asked for, or the best that the kernel allows."""

from sip.media.engine.packets import Io as Packets
from sip.media.engine.settings import Io, Settings
from sip.media.engine.sockets import SocketIo
from sip.media.engine.uring import UringIo


def open_io(settings: Settings) -> Packets:
    """Return the way of packets. Raises OSError when the one that was asked for cannot be used."""
    if settings.io is not Io.SOCKETS:
        try:
            return UringIo(settings.address, settings.shared)
        except OSError:
            if settings.io is Io.IO_URING:
                raise
    return SocketIo(settings.address, settings.shared)

"""What a child tells the supervisor, and the supervisor systemd."""

import os
import socket

READY_FD = "TANDEM_READY_FD"
"""Names the descriptor on which a child reports that it is ready."""

NOTIFY_SOCKET = "NOTIFY_SOCKET"
"""systemd's (sd_notify(3))."""


def ready() -> None:
    """Report that this process does its work now; without a supervisor, or told twice, do nothing."""
    number = os.environ.pop(READY_FD, "")
    if not number.isdecimal():
        return
    try:
        os.write(int(number), b"ready\n")
        os.close(int(number))
    except OSError:
        pass  # the supervisor is gone; this process will hear of it by signal


def notify_systemd(state: str) -> None:
    """Tell systemd, when it started us with Type=notify: `READY=1`, `STOPPING=1`."""
    address = os.environ.get(NOTIFY_SOCKET, "")
    if not address.startswith(("/", "@")):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(state.encode(), address.replace("@", "\0", 1) if address[0] == "@" else address)
        except OSError:
            pass  # systemd is not listening: nothing depends on its having heard

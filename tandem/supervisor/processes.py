"""Processes on Linux: starting one that does not outlive us, adopting orphans, reaping."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
"""prctl(2), <linux/prctl.h>."""

_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """Become the parent of every descendant that loses its own, so that none is forgotten."""
    if _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def start(argv: Sequence[str], *, environment: Mapping[str, str], keep: int) -> int:
    """Start a process and return its id; descriptor `keep` stays open in it.

    It leads a session of its own, so that Ctrl-C reaches the supervisor alone, and gets SIGTERM when the
    supervisor dies, however it dies. Raises OSError when it cannot be started.
    """
    parent = os.getpid()

    def bind_life() -> (
        None
    ):  # in the child, between fork and exec; there are no threads that could hold a lock
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    child = subprocess.Popen(  # noqa: S603 - the list of children is ours
        argv,
        stdin=subprocess.DEVNULL,
        pass_fds=(keep,),
        env=dict(environment),
        start_new_session=True,
        preexec_fn=bind_life,  # noqa: PLW1509 - no threads here
    )
    child.returncode = 0  # `reaped` waits for it; Popen must not
    return child.pid


def reaped() -> Iterator[tuple[int, int]]:
    """Yield id and status of every child that has ended, adopted ones too; a negative status is a signal."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        yield pid, os.waitstatus_to_exitcode(status)


def send(pid: int, number: signal.Signals, *, group: bool = False) -> None:
    """Send a signal to a child, or to its whole process group; one that is gone is no error."""
    try:
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


def children() -> list[int]:
    """Return the ids of this process's children, adopted ones too."""
    own = os.getpid()
    try:
        text = Path(f"/proc/{own}/task/{own}/children").read_text()
    except OSError:  # a kernel without CONFIG_PROC_CHILDREN
        return []
    return [int(each) for each in text.split()]

"""The supervisor's hands: signals, pipes and processes around `policy`."""

import json
import os
import selectors
import signal
import time
from collections.abc import Sequence
from contextlib import suppress

from tandem.supervisor import processes
from tandem.supervisor.notify import NOTIFY_SOCKET, READY_FD, notify_systemd
from tandem.supervisor.policy import Action, Start, Stop, Supervision
from tandem.supervisor.spec import ChildSpec

NOT_STARTED = 127
"""The status of a child that could not be started at all, as a shell has it."""

STANDARD_ERROR = 2

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

ORPHAN_SECONDS = 2.0
"""How long adopted processes get to end by themselves when everything else has stopped."""


class Supervisor:
    """Runs children until told to stop. One a process: it takes over signals and every child there is."""

    def __init__(self, specs: Sequence[ChildSpec], *, json_log: bool = False, quiet: bool = False) -> None:
        self._policy = Supervision(specs)
        self._json = json_log
        self._quiet = quiet
        self._pids: dict[int, str] = {}
        self._pipes: dict[str, int] = {}  # from children that are not ready yet
        self._selector = selectors.DefaultSelector()
        self._announced = False
        self._signals = -1

    def run(self) -> int:
        """Run until everything has stopped; return the status to exit with."""
        processes.become_subreaper()
        self._watch_signals()
        self._do(self._policy.tick(time.monotonic()))
        while not self._policy.finished:
            deadline = self._policy.deadline()
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            for key, _ in self._selector.select(wait):
                if key.fd == self._signals:
                    self._signalled(os.read(self._signals, 64))
                else:
                    self._reported(key.fd, key.data)
            self._reap()
            self._do(self._policy.tick(time.monotonic()))
            self._announce()
        self._end_orphans()
        self._log("supervisor.stopped", level="info", status=self._policy.exit_status)
        return self._policy.exit_status

    def _watch_signals(self) -> None:
        """Make a descriptor that becomes readable with the numbers of signals."""
        self._signals, outgoing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(outgoing, warn_on_full_buffer=False)
        for number in (*STOP_SIGNALS, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)  # the descriptor tells; a handler must exist for that
        self._selector.register(self._signals, selectors.EVENT_READ)

    def _signalled(self, numbers: bytes) -> None:
        for number in numbers:
            if number not in STOP_SIGNALS:
                continue
            if not self._policy.stopping:
                self._log("supervisor.stopping", level="info", signal=signal.Signals(number).name)
                notify_systemd("STOPPING=1")
                self._do(self._policy.stop(time.monotonic()))
            elif number == signal.SIGINT:
                self._log("supervisor.killing", level="warning", reason="interrupted again")
                self._do(self._policy.kill())

    def _reported(self, descriptor: int, name: str) -> None:
        said = os.read(descriptor, 64)
        del self._pipes[name]
        self._close(descriptor)
        if said:  # else it was closed: whether the child is gone is for waitpid to say
            self._log("supervisor.ready", level="info", child=name)
            self._do(self._policy.reported_ready(name, time.monotonic()))

    def _reap(self) -> None:
        for pid, status in processes.reaped():
            name = self._pids.pop(pid, None)
            if name is None:
                continue  # an orphan that was adopted
            if name in self._pipes:
                self._close(self._pipes.pop(name))
            self._ended(name, status)

    def _ended(self, name: str, status: int) -> None:
        expected = status == 0 or self._policy.stopping
        now = time.monotonic()
        actions = self._policy.exited(name, status, now)
        why: dict[str, object] = (
            {"signal": signal.Signals(-status).name} if status < 0 else {"status": status}
        )
        child = self._policy.children[name]
        if child.not_before > now:
            why["restart_in"] = round(child.not_before - now, 2)
        self._log("supervisor.ended", level="info" if expected else "warning", child=name, **why)
        self._do(actions)

    def _do(self, actions: Sequence[Action]) -> None:
        for action in actions:
            if isinstance(action, Start):
                self._start(self._policy.children[action.name].spec)
                continue
            number = signal.SIGTERM if isinstance(action, Stop) else signal.SIGKILL
            if number == signal.SIGKILL:
                self._log("supervisor.killed", level="warning", child=action.name)
            for pid in [pid for pid, name in self._pids.items() if name == action.name]:
                processes.send(pid, number, group=number == signal.SIGKILL)

    def _start(self, spec: ChildSpec) -> None:
        incoming, outgoing = os.pipe2(os.O_CLOEXEC)
        environment = {key: value for key, value in os.environ.items() if key != NOTIFY_SOCKET}
        environment[READY_FD] = str(outgoing)
        try:
            pid = processes.start(spec.argv, environment=environment, keep=outgoing)
        except OSError as error:
            os.close(incoming)
            self._log("supervisor.not_started", level="error", child=spec.name, error=str(error))
            self._ended(spec.name, NOT_STARTED)
            return
        finally:
            os.close(outgoing)
        self._pids[pid] = spec.name
        self._pipes[spec.name] = incoming
        self._selector.register(incoming, selectors.EVENT_READ, spec.name)
        self._log("supervisor.started", level="info", child=spec.name, pid=pid)

    def _close(self, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)

    def _announce(self) -> None:
        if self._policy.ready and not self._announced:
            self._announced = True
            notify_systemd("READY=1")

    def _end_orphans(self) -> None:
        """End what our children left behind: first politely."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            until = time.monotonic() + ORPHAN_SECONDS
            for pid in processes.children():
                processes.send(pid, number)
            while processes.children() and (left := until - time.monotonic()) > 0:
                for _ in self._selector.select(left):  # SIGCHLD wakes us
                    os.read(self._signals, 64)
                list(processes.reaped())

    def _log(self, event: str, *, level: str, **fields: object) -> None:
        """Write a line as `telephony.kernel.log` does; that one needs libraries."""
        if self._quiet and level == "info":
            return
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1e6):06d}Z"
        if self._json:
            line = json.dumps({"event": event, "level": level, "timestamp": stamp, **fields})
        else:
            line = " ".join(
                [stamp, f"[{level}]", event, *(f"{key}={value}" for key, value in fields.items())]
            )
        with suppress(OSError):  # a log whose disk is full must not end a node
            os.write(STANDARD_ERROR, f"{line}\n".encode())  # a buffer would fail once more at the exit

"""The supervisor with real processes: readiness, restarts, signals, orphans."""

import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tandem.supervisor.spec import ChildSpec, Ready, Restart, encode

pytestmark = pytest.mark.wire

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0
"""Seconds until a test gives up waiting for something that takes milliseconds."""

REPORT = 'import os, signal\nos.write(int(os.environ["TANDEM_READY_FD"]), b"ready")\n'
"""How a child without our code reports that it is ready."""

SERVE = REPORT + "signal.pause()"
"""A child that serves until it is stopped."""


def child(
    name: str, code: str, *, restart: Restart = Restart.ALWAYS, ready: Ready = Ready.REPORTED, **rest: int
) -> ChildSpec:
    return ChildSpec(name, (sys.executable, "-S", "-c", code), restart, ready, **rest)


class Node:
    """A supervisor under test."""

    def __init__(self, *specs: ChildSpec, environment: dict[str, str] | None = None) -> None:
        incoming, outgoing = os.pipe()
        os.write(outgoing, encode(specs))
        os.close(outgoing)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tandem.supervisor", "--children-fd", str(incoming)],
            pass_fds=(incoming,),
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
        )
        os.close(incoming)
        assert self.process.stderr is not None
        self.log = self.process.stderr
        self.lines: list[str] = []
        self._rest = b""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.log, selectors.EVENT_READ)

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match in a line logged from now on."""
        until = time.monotonic() + PATIENCE
        while True:
            while self.lines:
                if found := re.search(pattern, self.lines.pop(0)):
                    return found
            assert self._selector.select(until - time.monotonic()), f"{pattern} did not come"
            said = os.read(self.log.fileno(), 65536)
            assert said, f"{pattern} did not come before the end"
            *whole, self._rest = (self._rest + said).split(b"\n")
            self.lines += [line.decode() for line in whole]

    def started(self, name: str) -> int:
        """Wait for a start of the child; return its process id."""
        return int(self.wait_for(rf"supervisor\.started child={name} pid=(\d+)")[1])

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Stop it; return its exit status."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def clean(self) -> None:
        """Leave nothing behind, whatever the test did."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(PATIENCE)
        self.log.close()
        self._selector.close()


@pytest.fixture
def nodes() -> Iterator[list[Node]]:
    made: list[Node] = []
    yield made
    for node in made:
        node.clean()


def gone(pid: int) -> bool:
    """Wait until a process, no child of ours, has ended."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        ended = bool(selector.select(PATIENCE))
    os.close(descriptor)
    return ended


def test_a_killed_child_is_back_at_once(nodes: list[Node]) -> None:
    node = Node(child("gateway", SERVE))
    nodes.append(node)
    first = node.started("gateway")
    node.wait_for("ready child=gateway")
    os.kill(first, signal.SIGKILL)
    ended = node.wait_for(r"ended child=gateway signal=SIGKILL")
    assert "restart_in" not in ended.string  # a pause before the next start would stand there
    assert node.started("gateway") != first
    node.wait_for("ready child=gateway")
    assert node.end() == 0


def test_a_one_shot_runs_when_the_others_are_ready(nodes: list[Node]) -> None:
    welcome = ChildSpec("welcome", ("/bin/true",), Restart.NEVER, Ready.STARTED, after=("gateway",))
    node = Node(welcome, child("gateway", SERVE))
    nodes.append(node)
    node.wait_for("ready child=gateway")
    node.started("welcome")
    node.wait_for("ended child=welcome status=0")
    assert node.end() == 0


def test_children_stop_in_order(nodes: list[Node]) -> None:
    node = Node(child("carrier", SERVE, stop_order=2), child("gateway", SERVE, stop_order=1))
    nodes.append(node)
    node.wait_for("ready child=")
    node.wait_for("ready child=")
    node.process.send_signal(signal.SIGTERM)
    node.wait_for("stopping signal=SIGTERM")
    assert node.wait_for(r"ended child=(\w+)")[1] == "gateway"
    assert node.wait_for(r"ended child=(\w+)")[1] == "carrier"
    assert node.process.wait(PATIENCE) == 0


def test_a_second_interrupt_kills_what_will_not_stop(nodes: list[Node]) -> None:
    node = Node(child("stubborn", "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVE))
    nodes.append(node)
    node.wait_for("ready child=stubborn")
    node.process.send_signal(signal.SIGINT)
    node.wait_for("stopping signal=SIGINT")
    assert node.end(signal.SIGINT) == 130


def test_ctrl_c_reaches_the_supervisor_alone(nodes: list[Node]) -> None:
    node = Node(child("gateway", SERVE))
    nodes.append(node)
    pid = node.started("gateway")
    node.wait_for("ready child=gateway")
    assert os.getsid(pid) == pid  # a session of its own gets no signals from the terminal
    assert node.end(signal.SIGINT) == 0


def test_children_do_not_outlive_a_killed_supervisor(nodes: list[Node]) -> None:
    node = Node(child("gateway", SERVE))
    nodes.append(node)
    pid = node.started("gateway")
    node.wait_for("ready child=gateway")
    node.process.kill()
    assert gone(pid)


def test_orphans_are_adopted_and_ended(nodes: list[Node], tmp_path: Path) -> None:
    told = tmp_path / "pid"
    # It leaves a grandchild behind, in a session of its own, whose parent dies at once.
    leave = (
        "import os, signal\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        f"        open({str(told)!r}, 'w').write(str(os.getpid()))\n"
        "        " + SERVE.replace("\n", "\n        ") + "\n"
        "    os._exit(0)\n"
        "signal.pause()\n"
    )
    node = Node(child("gateway", leave))
    nodes.append(node)
    node.wait_for("ready child=gateway")
    orphan = int(told.read_text())
    assert parent_of(orphan) == node.process.pid
    assert node.end() == 0
    assert gone(orphan)


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_program_that_is_not_there_is_tried_again_with_pauses(nodes: list[Node]) -> None:
    node = Node(ChildSpec("gateway", ("/nonexistent/program",)))
    nodes.append(node)
    node.wait_for("not_started child=gateway error=.*No such file")
    node.wait_for("ended child=gateway status=127 restart_in=0.1")
    assert node.end() == 0


def test_systemd_is_told_when_all_is_ready_and_when_it_stops(nodes: list[Node], tmp_path: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(PATIENCE)
        node = Node(child("gateway", SERVE), environment={"NOTIFY_SOCKET": str(address)})
        nodes.append(node)
        assert channel.recv(100) == b"READY=1"
        assert node.end() == 0
        assert channel.recv(100) == b"STOPPING=1"


def test_the_supervisor_imports_nothing_but_the_standard_library_and_itself() -> None:
    code = (
        "import sys, tandem.supervisor.__main__\n"
        "names = {name.partition('.')[0] for name in sys.modules} - {'__main__', '__mp_main__'}\n"
        "print(sorted(names - sys.stdlib_module_names))"
    )
    said = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
    )
    assert said.stdout.strip() == "['tandem']"


def test_a_supervisor_whose_log_is_full_goes_on(tmp_path: Path) -> None:
    mark = tmp_path / "started"
    code = f"open({str(mark)!r}, 'a').write('x')\n" + SERVE
    incoming, outgoing = os.pipe()
    os.write(outgoing, encode([child("gateway", code)]))
    os.close(outgoing)
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            [sys.executable, "-m", "tandem.supervisor", "--children-fd", str(incoming)],
            pass_fds=(incoming,),
            stderr=full,
            cwd=ROOT,
        )
    os.close(incoming)
    until = time.monotonic() + PATIENCE
    while not mark.exists():
        assert process.poll() is None
        assert time.monotonic() < until
    process.terminate()
    assert process.wait(PATIENCE) == 0

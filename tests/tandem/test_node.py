"""A node as its first user meets it."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.node import Node, environment

pytestmark = pytest.mark.wire


def command(running: Node, *arguments: str, status: int = 0) -> str:
    """Run a `tandem` command about the node and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tandem", *arguments, "--data", str(running.data)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**environment(), "COLUMNS": "200"},
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_first_start_sends_and_receives_and_a_second_finds_everything_again(tmp_path: Path) -> None:
    running = Node(tmp_path / "var")
    running.start()
    try:
        running.wait_for_output("Tandem is ready")
        first = running.output
        for word in ("Hello from Tandem!", "echo: Hello from Tandem!", "delivered", "REQUESTS_CA_BUNDLE"):
            assert word in first
        assert (running.data / "connection-string").stat().st_mode & 0o077 == 0
        assert running.connection_string.startswith(f"endpoint=https://{running.authority}/;accesskey=")
        sent = command(running, "sms", "send", "+12065550100", "-m", "from the command line", "--wait", "20")
        assert "message.delivered" in sent
        listed = command(running, "messages", "--peer", "+12065550100")
        identifier = listed.split()[-1]
        assert "from the command line" in command(running, "message", identifier)
        assert "bound" in command(running, "links")
        assert "same" in command(running, "receipt-ids")
        before = running.connection_string
    finally:
        assert running.stop(signal.SIGINT) == 0

    running.log.unlink()
    running.start()
    try:
        running.wait_for_output("Tandem is ready")
        assert "first message" not in running.output
        assert running.connection_string == before
        assert "from the command line" in command(running, "message", identifier)
    finally:
        assert running.stop(signal.SIGTERM) == 0


def test_a_second_gateway_on_the_same_folder_waits_and_says_for_whom(tmp_path: Path) -> None:
    running = Node(tmp_path / "var")
    running.start()
    try:
        second = subprocess.Popen(
            [sys.executable, "-m", "tandem", "gateway", "--set", f"data={running.data}"],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        assert second.stderr is not None
        said = second.stderr.readline()
        assert "gateway.waits" in said
        assert f"Another gateway works on {running.data} (process {running.children()['gateway']})" in said
        second.terminate()
        with second.stderr:
            assert second.wait(timeout=30) == 0
    finally:
        running.stop()


def test_commands_without_a_node_say_so(tmp_path: Path) -> None:
    said = command(Node(tmp_path / "nowhere"), "links", status=1)
    assert "no gateway has been started with this data folder" in said

"""The audio of a running node: its processes, what is told of them, and what is left when they end."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sip.media import protocol as say
from tests.support.media import Asker, RtpPeer, media, talk, ulaw_tone
from tests.support.node import Node, node

pytestmark = pytest.mark.wire


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with node(tmp_path_factory.mktemp("m") / "n") as one:
        wait_for(lambda: up(one))
        yield one


def up(running: Node) -> dict[str, Any] | None:
    """Return what /admin/media says once everything is connected."""
    found: dict[str, Any] = running.admin("/admin/media")
    everything = [*found["engines"], found["mediaIo"]]
    return found if all(each["connected"] for each in everything) else None


def wait_for(found: Callable[[], Any], seconds: float = 20.0) -> Any:
    until = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < until
        time.sleep(0.05)
    return value


def process(running: Node, module: str) -> int:
    """Return the id of one of the node's media processes."""
    assert running.process is not None
    children = Path(f"/proc/{running.process.pid}/task/{running.process.pid}/children").read_text()
    return next(
        int(pid)
        for pid in children.split()
        if module.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    )


def tandem(running: Node, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "tandem", "media", *arguments, "--data", str(running.data)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_node_has_an_engine_and_media_io_without_any_setting(running: Node) -> None:
    found = running.admin("/admin/media")
    (engine,) = found["engines"]
    assert engine["name"] == "media-engine-0"
    assert engine["accepts"] is True
    assert found["mediaIo"]["maxRecordings"] == 500
    assert running.health()["trouble"] == []
    metrics = running.metrics()
    assert metrics['tandem_media_engine_up{engine="media-engine-0"}'] == 1
    assert metrics["tandem_media_io_up"] == 1
    shown = tandem(running)
    assert "media-engine-0  up" in shown.stdout
    assert "0 of 500 recordings" in shown.stdout


def test_a_leg_is_shown_with_its_packets(running: Node) -> None:
    asker = Asker(running.data / "sockets" / "engine-0", "gateway")
    peer = RtpPeer(0)
    try:
        local = asker.opened(say.OpenRtp("leg 1", media(peer))).local
        assert local is not None
        peer.target = (local.host, local.port)
        talk([peer], [ulaw_tone(440)], 10)
        shown = tandem(running, "leg 1").stdout
        assert re.search(r"packets received +10\n", shown)
        assert re.search(rf"sends to +127.0.0.1:{peer.port}\n", shown)
        assert 'tandem_media_legs{engine="media-engine-0"}' in running.metrics()
    finally:
        asker.do(say.CloseLeg("leg 1"))
        asker.close()
        peer.close()


def test_a_leg_that_nobody_knows_is_not_found(running: Node) -> None:
    shown = tandem(running, "nobody/here")
    assert shown.returncode != 0
    assert "No media engine has a leg nobody/here." in shown.stderr


def test_an_engine_that_dies_is_started_again_and_told(running: Node) -> None:
    before = process(running, "sip.media.engine")
    losses = running.metrics()["tandem_media_engine_losses_total"]
    os.kill(before, signal.SIGKILL)
    found = wait_for(lambda: running.admin("/admin/media")["engineLosses"] > losses and up(running))
    assert found["engines"][0]["accepts"] is True
    assert process(running, "sip.media.engine") != before
    assert '"event":"media.engine_lost"' in running.output.replace('": ', '":')
    assert running.health()["ready"] is True


def test_media_io_that_is_stopped_is_trouble_and_texts_go_on(running: Node) -> None:
    stuck = process(running, "sip.media.io")
    os.kill(stuck, signal.SIGSTOP)
    try:
        wait_for(lambda: not running.admin("/admin/media")["mediaIo"]["connected"])
    finally:
        os.kill(stuck, signal.SIGCONT)
    assert running.health()["ready"] is True
    wait_for(lambda: up(running))

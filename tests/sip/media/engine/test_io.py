"""Both ways of packets carry a call; the one that the kernel refuses says so at the start."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sip.media import protocol as say
from sip.media.engine.uring import Ring
from tests.support.media import (
    PCMA,
    PCMU,
    RtpPeer,
    alaw_tone,
    bridged,
    engine,
    header,
    media,
    talk,
    ulaw_tone,
)
from tests.support.node import environment

pytestmark = pytest.mark.wire


def _allowed() -> bool:
    try:
        Ring(8).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(("io", "shared"), [("sockets", True), ("io_uring", False)])
def test_a_call_is_carried(io: str, shared: bool, peer: Callable[..., RtpPeer], tmp_path: Path) -> None:
    if io == "io_uring" and not _allowed():
        command = [sys.executable, "-m", "sip.media.engine", "--io", io, "--control", str(tmp_path / "c")]
        command += ["--pcm", str(tmp_path / "p")]
        ended = subprocess.run(command, capture_output=True, text=True, env=environment(), check=False)
        assert ended.returncode == 78
        assert "io_uring" in ended.stderr
        return
    one, other = peer(0, ssrc=1), peer(8, ssrc=2)
    with engine("--io", io) as running:
        asker = running.asker()
        assert asker.load().io == io
        if shared:
            asker.do(say.OpenBridge("b"))
            for name, who, negotiated in (("a", one, PCMU), ("c", other, PCMA)):
                local = asker.opened(say.OpenRtp(name, media(who, negotiated), shared=True)).local
                assert local is not None
                who.target = (local.host, local.port)
                asker.do(say.Join(name, "b"))
            assert one.target == other.target
        else:
            bridged(asker, ("a", one, media(one, PCMU)), ("c", other, media(other, PCMA)))
        talk([one, other], [ulaw_tone(440), alaw_tone(1000)], 20)
        for who, kind in ((one, 0), (other, 8)):
            types = [header(packet)[0] for packet in who.heard[-15:]]
            assert types == [kind] * 15
        for name in "ac":
            statistics = asker.quality(name)
            assert (statistics.received, statistics.lost, statistics.foreign) == (20, 0, 0)
        asker.close()

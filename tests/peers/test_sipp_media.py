"""SIPp as a peer of the media engine: it echoes, it streams in a call of its own, it presses digits."""

import socket
import struct
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sip.media import protocol as say
from sip.media.rtp.events import DIGITS
from tests.support.media import (
    PCMA,
    PCMU,
    Asker,
    PcmPeer,
    RtpPeer,
    engine,
    join,
    level_of,
    media,
    ulaw_samples,
    ulaw_tone,
)
from tests.support.media import talk as talk_for
from tests.support.media_by_hand import by_hand

pytestmark = pytest.mark.peer

FOLDER = Path(__file__).parent
PCAPS = Path("/usr/share/sip-tester")
LOOPBACK = "127.0.0.1"


def free_ports(count: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> int:
    """Return the first, even one of so many free ports in a row."""
    while True:
        with socket.socket(socket.AF_INET, kind) as first:
            first.bind((LOOPBACK, 0))
            port: int = first.getsockname()[1]
        if port % 2 or port + count > 65535:
            continue
        try:
            for number in range(count):
                with socket.socket(socket.AF_INET, kind) as other:
                    other.bind((LOOPBACK, port + number))
        except OSError:
            continue
        return port


@contextmanager
def sipp(folder: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run SIPp; yield its process and its port of SIP."""
    port = free_ports(2)
    command = ["sipp", "-i", LOOPBACK, "-p", str(port), "-mi", LOOPBACK, "-nostdin", *arguments]
    with (folder / f"sipp-{port}.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield process, port
        finally:
            if process.poll() is None:
                process.kill()
            process.wait(10)


@contextmanager
def echoing(folder: Path, *arguments: str) -> Iterator[tuple[say.Address, int]]:
    """Run a SIPp that echoes RTP; yield where, and its port of SIP."""
    audio = free_ports(4)
    with sipp(folder, "-rtp_echo", "-mp", str(audio), *arguments) as (_, port):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((LOOPBACK, 0))
            probe.settimeout(0.05)
            for _ in range(200):  # until it listens
                probe.sendto(b"?", (LOOPBACK, audio))
                try:
                    probe.recv(10)
                    break
                except (TimeoutError, ConnectionError):
                    continue
            else:
                pytest.fail("SIPp does not echo")
        yield say.Address(LOOPBACK, audio), port


@pytest.fixture(scope="module")
def asker() -> Iterator[Asker]:
    with engine() as running:
        one = running.asker()
        yield one
        one.close()


@pytest.fixture
def peer() -> Iterator[Callable[..., RtpPeer]]:
    made: list[RtpPeer] = []

    def make(payload_type: int = 0) -> RtpPeer:
        made.append(RtpPeer(payload_type))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def taps(tmp_path: Path) -> Iterator[PcmPeer]:
    one = PcmPeer(tmp_path / "taps")
    yield one
    one.close()


@pytest.mark.parametrize("codec", [PCMU, PCMA])
def test_a_tone_comes_back_from_an_echo(
    asker: Asker, peer: Callable[..., RtpPeer], tmp_path: Path, codec: say.Format
) -> None:
    one = peer(0)
    asker.do(say.OpenBridge("echo"))
    with echoing(tmp_path, "-sn", "uas") as (address, _):
        join(asker, "echo", "a", one, media(one))
        asker.opened(say.OpenRtp("e", say.Media(remote=address, formats=(codec,))))
        asker.do(say.Join("e", "echo"))
        talk_for([one], [ulaw_tone(440)], 60)
        heard = ulaw_samples(one.heard[-40:])
        assert level_of(heard, 440) == pytest.approx(-10, abs=0.5)
        echoed = asker.quality("e")
        assert (echoed.codec, echoed.lost, echoed.foreign, echoed.malformed) == (codec.codec, 0, 0, 0)
        assert echoed.received == pytest.approx(60, abs=2)
    for name in "ae":
        asker.do(say.CloseLeg(name))
    asker.do(say.CloseBridge("echo"))


def test_a_call_of_sipp_is_heard_at_both_ends(
    asker: Asker, peer: Callable[..., RtpPeer], taps: PcmPeer, tmp_path: Path
) -> None:
    """A caller streams 700 Hz into the engine, the called one echoes it: tapped at both, heard by a third."""
    tone = ulaw_tone(700, level=-16)
    (tmp_path / "tone.ulaw").write_bytes(b"".join(tone(number) for number in range(200)))
    third = peer(0)
    asker.do(say.OpenBridge("call"))
    join(asker, "call", "watching", third, media(third), talks=False)
    opened = asker.opened(say.OpenRtp("caller", say.Media(say.Address(LOOPBACK, 9), (PCMU,))))
    assert opened.local is not None
    called = ("-sf", str(FOLDER / "sipp-called.xml"), "-key", "audio_port", str(opened.local.port))
    with echoing(tmp_path, *called) as (address, port):
        asker.opened(say.OpenRtp("called", say.Media(remote=address, formats=(PCMU,))))
        streams = []
        for name in ("caller", "called"):
            asker.do(say.Join(name, "call"))
            tapped = asker.ask(say.Tap(name, taps.path, 8000, leg=name, heard=name == "caller"))
            assert isinstance(tapped, say.Started)
            streams.append(tapped.stream)
        caller = ("-sf", str(FOLDER / "sipp-caller.xml"), "-m", "1", f"{LOOPBACK}:{port}")
        with sipp(tmp_path, *caller) as (process, _):
            first = asker.event(say.FirstRtp, lambda event: event.leg == "caller")
            assert first.remote.host == LOOPBACK
            assert process.wait(15) == 0, "the call did not end as it should"
    statistics = asker.quality("caller")
    assert statistics.received >= 60
    assert (statistics.lost, statistics.foreign, statistics.malformed) == (0, 0, 0)
    third.listen()
    for stream in streams:  # what the caller hears is the echo; what the called one says is it too
        samples = taps.samples(0, stream)
        loudest = max(level_of(samples[at : at + 4000], 700) for at in range(0, len(samples) - 4000, 800))
        assert loudest == pytest.approx(-16, abs=0.6)
    assert len(third.heard) > 60
    for name in ("watching", "caller", "called"):
        asker.do(say.CloseLeg(name))
    asker.do(say.CloseBridge("call"))


def packets_of(pcap: Path) -> list[bytes]:
    """Return the UDP payloads of a file of libpcap, of Ethernet frames with IPv4."""
    data = pcap.read_bytes()
    order = "<" if data[:4] == b"\xd4\xc3\xb2\xa1" else ">"
    found, at = [], 24
    while at + 16 <= len(data):
        length = struct.unpack_from(f"{order}I", data, at + 8)[0]
        frame = data[at + 16 : at + 16 + length]
        begin = frame.index(b"\x45", 12)  # IPv4 without options, behind whatever link there was
        found.append(frame[begin + 28 : begin + struct.unpack_from(">H", frame, begin + 2)[0]])
        at += 16 + length
    return found


@pytest.mark.parametrize("digit", [*"0123456789", "star", "pound"])
def test_the_digits_that_sipp_plays_are_told_once(digit: str) -> None:
    packets = packets_of(PCAPS / f"dtmf_2833_{digit}.pcap")
    wanted = {"star": "*", "pound": "#"}.get(digit, digit)
    assert wanted in DIGITS
    kind = packets[0][1] & 0x7F
    with by_hand(max_legs=4) as one:
        presser = one.leg("a", telephone_event=kind)

        def send(number: int) -> None:
            if number < len(packets):
                one.wire.put(presser.target, packets[number], (presser.address.host, presser.address.port))

        one.run(0.02 * len(packets) + 0.5, send)
        (told,) = one.told(say.Digit)
        assert (told.digit, told.inband) == (wanted, False)
        assert told.ms >= 40
        assert one.quality("a").received == len(packets)

"""RTCP (RFC 3550 §6): compounds read and built. Pure.

Any octets end in the reports that they hold or in `NotRtcp`. Reduced size (RFC 5506) is taken: a compound may
begin with whatever it likes, and need not name its sender. Packets of other types are passed over.
"""

from dataclasses import dataclass, field
from struct import Struct
from typing import Final

MAX_OCTETS: Final = 1472
"""Of a compound: an Ethernet's packet. Longer ones are not looked into."""
SR: Final = 200
RR: Final = 201
SDES: Final = 202
BYE: Final = 203
_CNAME: Final = 1
_BLOCK: Final = Struct(">IIIIII")
_SENDER: Final = Struct(">IQIII")
_MASK: Final = 0xFFFFFFFF
_NTP_EPOCH: Final = 2_208_988_800
"""Seconds from 1900 to 1970."""

LEAST_INTERVAL: Final = 5.0
"""Seconds between reports (§6.2); a call of two never needs more."""
_COMPENSATION: Final = 1.21828
"""e - 1.5: the interval's randomness would make reports too frequent otherwise (§6.3.1)."""


class NotRtcp(ValueError):
    """Octets that are no RTCP, or one that ends before it says that it does."""


@dataclass(frozen=True, slots=True)
class Block:
    """What somebody says about a stream that it receives (§6.4.1)."""

    ssrc: int
    fraction: int
    """Lost of 256 since the last report."""
    lost: int
    """Since the start; negative when there were duplicates."""
    highest: int
    """Extended highest sequence number."""
    jitter: int
    """In units of the stream's clock."""
    last_sr: int
    """The middle 32 bits of the NTP time of the last SR that came; 0: none."""
    delay: int
    """Since then, in 1/65536 s."""


@dataclass(frozen=True, slots=True)
class Sender:
    """What somebody says about the stream that it sends (§6.4.1)."""

    ntp: int
    """64 bits."""
    timestamp: int
    packets: int
    octets: int


@dataclass(frozen=True, slots=True)
class Report:
    """A sender's or receiver's report."""

    ssrc: int
    sender: Sender | None
    """None: it has sent nothing of late."""
    blocks: tuple[Block, ...] = ()


@dataclass(frozen=True, slots=True)
class Compound:
    """What a packet holds."""

    reports: tuple[Report, ...] = ()
    cnames: dict[int, str] = field(default_factory=dict)
    """By SSRC."""
    byes: tuple[int, ...] = ()
    reason: str = ""
    """Of a BYE, as somebody else wrote it."""


def parse(data: bytes) -> Compound:
    """Return what a datagram holds. Raises NotRtcp."""
    if not 4 <= len(data) <= MAX_OCTETS:
        raise NotRtcp(f"{len(data)} octets: expected 4 to {MAX_OCTETS}")
    reports: list[Report] = []
    cnames: dict[int, str] = {}
    byes: list[int] = []
    reason = ""
    at = 0
    while at < len(data):
        if len(data) - at < 4:
            raise NotRtcp(f"{len(data) - at} octets after the last packet")
        first, kind = data[at], data[at + 1]
        end = at + 4 + 4 * int.from_bytes(data[at + 2 : at + 4], "big")
        if first >> 6 != 2:
            raise NotRtcp(f"version {first >> 6}: expected 2")
        if end > len(data):
            raise NotRtcp(f"a packet of type {kind} ends {end - len(data)} octets after its datagram")
        body = _unpadded(data, at + 4, end, padded=bool(first & 0x20))
        count = first & 0x1F
        if kind in (SR, RR):
            reports.append(_report(body, kind, count))
        elif kind == SDES:
            _descriptions(body, count, cnames)
        elif kind == BYE:
            reason = _bye(body, count, byes) or reason
        at = end
    return Compound(tuple(reports), cnames, tuple(byes), reason)


def _unpadded(data: bytes, begin: int, end: int, *, padded: bool) -> bytes:
    """Return a packet's octets after its head. Only the last packet of a compound may be padded (§6.4.1)."""
    if not padded:
        return data[begin:end]
    octets = data[end - 1]
    if end != len(data) or not 4 <= octets <= end - begin or octets % 4:
        raise NotRtcp(f"padding of {octets} octets")
    return data[begin : end - octets]


def _report(body: bytes, kind: int, count: int) -> Report:
    start = _SENDER.size if kind == SR else 4
    if len(body) < start + count * _BLOCK.size:
        raise NotRtcp(f"{len(body)} octets for a report of {count} blocks")
    ssrc, sender = int.from_bytes(body[:4], "big"), None
    if kind == SR:
        ssrc, *rest = _SENDER.unpack_from(body)
        sender = Sender(*rest)
    return Report(ssrc, sender, tuple(_block(body, start + n * _BLOCK.size) for n in range(count)))


def _block(body: bytes, at: int) -> Block:
    ssrc, lost, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, at)
    total = lost & 0xFFFFFF
    signed = total - (1 << 24) if total & 0x800000 else total
    return Block(ssrc, lost >> 24, signed, highest, jitter, last_sr, delay)


def _descriptions(body: bytes, count: int, cnames: dict[int, str]) -> None:
    """Read chunks (§6.5): an SSRC, items, and octets of zero to the next multiple of four."""
    at = 0
    for _ in range(count):
        if at + 4 > len(body):
            raise NotRtcp("a source description without a source")
        ssrc = int.from_bytes(body[at : at + 4], "big")
        at += 4
        while at < len(body) and body[at]:
            if at + 2 > len(body) or at + 2 + body[at + 1] > len(body):
                raise NotRtcp("a source description's item ends after its packet")
            text = body[at + 2 : at + 2 + body[at + 1]]
            if body[at] == _CNAME:
                cnames[ssrc] = text.decode("utf-8", "replace")
            at += 2 + len(text)
        if at >= len(body):
            raise NotRtcp("a source description without an end")
        at = (at // 4 + 1) * 4


def _bye(body: bytes, count: int, byes: list[int]) -> str:
    if len(body) < 4 * count:
        raise NotRtcp(f"{len(body)} octets for {count} sources that leave")
    byes += [int.from_bytes(body[4 * n : 4 * n + 4], "big") for n in range(count)]
    rest = body[4 * count :]
    if not rest:
        return ""
    if rest[0] >= len(rest):
        raise NotRtcp("a reason to leave ends after its packet")
    return rest[1 : 1 + rest[0]].decode("utf-8", "replace")


def build(report: Report, cname: str = "", bye: str | None = None) -> bytes:
    """Return a compound: SR or RR, the sender's CNAME, and BYE with a reason when one is given (§6.1).

    Raises ValueError for more than 31 blocks, or texts of more than 255 octets.
    """
    if len(report.blocks) > 31:
        raise ValueError(f"{len(report.blocks)} blocks: expected at most 31")
    name, reason = cname.encode(), (bye or "").encode()
    if len(name) > 255 or len(reason) > 255:
        raise ValueError("a text of more than 255 octets")
    sender = report.sender
    if sender is None:
        body = report.ssrc.to_bytes(4, "big")
    else:
        body = _SENDER.pack(
            report.ssrc, sender.ntp, sender.timestamp & _MASK, sender.packets & _MASK, sender.octets & _MASK
        )
    for block in report.blocks:
        lost = block.fraction << 24 | max(min(block.lost, 0x7FFFFF), -0x800000) & 0xFFFFFF
        body += _BLOCK.pack(block.ssrc, lost, block.highest, block.jitter, block.last_sr, block.delay)
    result = _packet(RR if sender is None else SR, len(report.blocks), body)
    result += _packet(SDES, 1, report.ssrc.to_bytes(4, "big") + bytes((_CNAME, len(name))) + name + b"\0")
    if bye is not None:
        told = bytes((len(reason),)) + reason if reason else b""
        result += _packet(BYE, 1, report.ssrc.to_bytes(4, "big") + told)
    return result


def _packet(kind: int, count: int, body: bytes) -> bytes:
    body += bytes(-len(body) % 4)
    return bytes((0x80 | count, kind)) + (len(body) // 4).to_bytes(2, "big") + body


def ntp(unix_us: int) -> int:
    """Return microseconds since 1970 as an NTP timestamp of 64 bits (§4)."""
    seconds, left = divmod(unix_us, 1_000_000)
    return (seconds + _NTP_EPOCH & _MASK) << 32 | (left << 32) // 1_000_000


def middle(timestamp: int) -> int:
    """Return the middle 32 bits of an NTP timestamp: what is said as `last_sr`."""
    return timestamp >> 16 & _MASK


def delay_since(us: int) -> int:
    """Return microseconds as `Block.delay`: 1/65536 s, as many as 32 bits hold."""
    return min(max(us, 0) * 65_536 // 1_000_000, _MASK)


def round_trip_ms(block: Block, now: int) -> float | None:
    """Return the way there and back, by our SR that a block answers, at NTP time `now` (§6.4.1).

    None: it answers none, or says what cannot be (clocks that were set, a peer that is wrong).
    """
    if block.last_sr == 0:
        return None
    units = (middle(now) - block.last_sr - block.delay) & _MASK
    if units >= 1 << 31:
        # As a peer's rounding makes it when the way is shorter than 1/65536 s or two.
        return 0.0 if (1 << 32) - units <= 66 else None
    milliseconds = units * 1000 / 65_536
    return milliseconds if milliseconds <= 60_000 else None


def interval(chance: float, *, first: bool = False, least: float = LEAST_INTERVAL) -> float:
    """Return the seconds to the next report: 0.5 to 1.5 of the interval, half of it for the first (§6.3.1).

    `chance` is uniform in [0, 1). With two members and 64 kbit/s the least interval is always the longest.
    """
    return (least / 2 if first else least) * (0.5 + chance) / _COMPENSATION

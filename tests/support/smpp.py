"""PDUs to test with: one of each kind, strategies for any, and a handler that writes down what happens."""

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from sms.smpp import pdu
from sms.smpp.constants import RESPONSE_BIT, Tag
from sms.smpp.layout import LAYOUTS, TLV_SIZES, Body, Field, Kind
from sms.smpp.link import Link
from sms.smpp.pdu import Pdu
from sms.smpp.server import ServerConnection
from sms.smpp.states import BindType

SUBMIT = pdu.SubmitSm(
    source_addr_ton=5,
    source_addr="Tandem",
    dest_addr_ton=1,
    dest_addr_npi=1,
    destination_addr="14255550123",
    registered_delivery=1,
    short_message=b"Hello, world",
)
DELIVER = pdu.DeliverSm(
    source_addr_ton=1,
    source_addr_npi=1,
    source_addr="14255550123",
    dest_addr_ton=1,
    dest_addr_npi=1,
    destination_addr="14255550199",
    short_message=b"STOP",
)
BIND = pdu.BindTransceiver(system_id="tandem", password="secret08", system_type="SMPP")

SAMPLES: dict[str, Pdu] = {
    sample.command_id.name.lower(): sample
    for sample in (
        pdu.BindTransmitter("tandem", "secret08", "SMPP", 0x34, 1, 1, "1425*"),
        pdu.BindTransmitterResp("smsc", ((Tag.SC_INTERFACE_VERSION, b"\x34"),)),
        pdu.BindReceiver("tandem", "secret08", "SMPP", 0x34, 1, 1, "1425*"),
        pdu.BindReceiverResp("smsc"),
        pdu.BindTransceiver("tandem", "secret08", "SMPP", 0x34, 1, 1, "1425*"),
        pdu.BindTransceiverResp("smsc", ((Tag.SC_INTERFACE_VERSION, b"\x34"),)),
        pdu.Outbind("smsc", "secret08"),
        pdu.Unbind(),
        pdu.UnbindResp(),
        pdu.GenericNack(),
        pdu.SubmitSm(
            *(
                "CMT",
                5,
                0,
                "Tandem",
                1,
                1,
                "14255550123",
                0x43,
                0x40,
                1,
                "260101120000000+",
                "000001000000000R",
            ),
            *(1, 1, 8, 3, b"\x05\x00\x03\x07\x02\x01\x00H"),
            ((Tag.USER_MESSAGE_REFERENCE, b"\x00\x07"), (0x1501, b"vendor"), (0x1501, b"")),
        ),
        pdu.SubmitSmResp("0000001A"),
        pdu.DeliverSm(
            *("", 1, 1, "14255550123", 1, 1, "14255550199", 4, 0, 0, "", "", 0, 0, 0, 0),
            b"id:26 sub:001 dlvrd:001 submit date:2601011200 done date:2601011200 stat:DELIVRD err:000 text:",
            ((Tag.RECEIPTED_MESSAGE_ID, b"1A\0"), (Tag.MESSAGE_STATE, b"\x02")),
        ),
        pdu.DeliverSmResp(""),
        pdu.DataSm(
            *("", 1, 1, "14255550123", 1, 1, "14255550199", 0, 1, 8),
            ((Tag.MESSAGE_PAYLOAD, b"\x00H\x00i" * 100),),
        ),
        pdu.DataSmResp("0000001A"),
        pdu.QuerySm("0000001A", 1, 1, "14255550199"),
        pdu.QuerySmResp("0000001A", "260101120000000+", 2, 0),
        pdu.CancelSm("CMT", "0000001A", 1, 1, "14255550199", 1, 1, "14255550123"),
        pdu.CancelSmResp(),
        pdu.ReplaceSm("0000001A", 1, 1, "14255550199", "", "000001000000000R", 1, 0, b"other text"),
        pdu.ReplaceSmResp(),
        pdu.SubmitMultiResp(),
        pdu.EnquireLink(),
        pdu.EnquireLinkResp(),
        pdu.AlertNotification(
            1, 1, "14255550123", 1, 1, "14255550199", ((Tag.MS_AVAILABILITY_STATUS, b"\x00"),)
        ),
    )
}
"""One of each PDU, every field in use, by name of the command."""

_TEXT = st.characters(min_codepoint=1, max_codepoint=255)


def _values(field: Field) -> st.SearchStrategy[Any]:
    if field.kind is Kind.OCTET:
        return st.integers(0, 255)
    if field.kind is Kind.COUNTED:
        return st.binary(max_size=field.ceiling)
    if field.kind is Kind.TIME:
        return st.just("") | st.text(_TEXT, min_size=field.ceiling, max_size=field.ceiling)
    return st.text(_TEXT, max_size=field.ceiling)


def _tlv(tag: int) -> st.SearchStrategy[tuple[int, bytes]]:
    least, most = TLV_SIZES.get(tag, (0, 300))
    return st.tuples(st.just(tag), st.binary(min_size=least, max_size=min(most, 300)))


_TLVS = st.lists((st.sampled_from(sorted(TLV_SIZES)) | st.integers(0, 0xFFFF)).flatmap(_tlv), max_size=5)


def any_pdu() -> st.SearchStrategy[Pdu]:
    """Any PDU that the wire can carry."""
    kinds = []
    for layout in LAYOUTS.values():
        fields = {field.name: _values(field) for field in layout.fields}
        if layout.tlvs:
            fields["tlvs"] = _TLVS.map(tuple)
        kinds.append(st.builds(layout.kind, **fields))
    return st.one_of(kinds)


def may_say_error(sample: Pdu) -> bool:
    """Tell whether a status above 0 makes sense with it."""
    return bool(sample.command_id & RESPONSE_BIT) and LAYOUTS[sample.command_id].body is Body.EMPTY_ON_ERROR


class Witness:
    """Writes down what a link or a server tells its handler; `until` waits for something to be true."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.bind_status: int | Exception = 0
        self.answers = True
        """Whether submit_sm are answered at once."""
        self.conns: list[ServerConnection] = []
        self._changed = asyncio.Event()

    def named(self, name: str) -> list[tuple[Any, ...]]:
        """Return what was told under a name."""
        return [entry[1:] for entry in self.seen if entry[0] == name]

    async def until(self, condition: Callable[[], Any], seconds: float = 5.0) -> None:
        """Wait until something told makes `condition` true."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    def _note(self, *entry: Any) -> None:
        self.seen.append(entry)
        self._changed.set()

    # LinkHandler

    def link_bound(self, link: Link) -> None:
        self._note("link_bound")

    def link_lost(self, link: Link, reason: str) -> None:
        self._note("link_lost", reason)

    def submit_answered(self, link: Link, token: Any, status: int, message_id: str) -> None:
        self._note("submit_answered", token, status, message_id)

    def submit_lost(self, link: Link, token: Any, reason: str) -> None:
        self._note("submit_lost", token, reason)

    def delivered(self, link: Link, pdu: pdu.DeliverSm, sequence: int) -> None:
        self._note("delivered", pdu, sequence)

    def window_open(self, link_or_conn: Link | ServerConnection) -> None:
        self._note("window_open", link_or_conn)

    # ServerHandler

    def bind(
        self, conn: ServerConnection, system_id: str, password: str, bind_type: BindType, peer: str
    ) -> int:
        self.conns.append(conn)
        self._note("bind", system_id, password, bind_type, peer)
        if isinstance(self.bind_status, Exception):
            raise self.bind_status
        return self.bind_status

    def submit(self, conn: ServerConnection, pdu: pdu.SubmitSm, sequence: int) -> None:
        self._note("submit", pdu, sequence)
        if self.answers:
            conn.answer_submit(sequence, 0, f"id-{sequence}")

    def request(self, conn: ServerConnection, pdu: Pdu, sequence: int) -> None:
        self._note("request", pdu, sequence)
        conn.refuse(pdu, sequence)

    def deliver_answered(self, conn: ServerConnection, token: Any, status: int) -> None:
        self._note("deliver_answered", token, status)

    def deliver_lost(self, conn: ServerConnection, token: Any, reason: str) -> None:
        self._note("deliver_lost", token, reason)

    def closed(self, conn: ServerConnection, reason: str) -> None:
        self._note("closed", reason)

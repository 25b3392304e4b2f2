"""Our codec against smpplib's, which knows nothing of ours.

Fields are chosen around its defects: it cuts what is too long, writes an integer 0 of any size as one octet,
ends texts in optional parameters by a NUL of its own, and raises on tags it does not know.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from smpplib import consts, smpp
from smpplib.client import SimpleSequenceGenerator

from sms.smpp.codec import decode, encode
from sms.smpp.constants import CommandId, CommandStatus, Tag
from sms.smpp.layout import LAYOUTS, Kind
from sms.smpp.pdu import DeliverSm, Pdu, SubmitSm, tlv
from tests.support.smpp import SAMPLES

pytestmark = pytest.mark.peer

KNOWN = [
    name
    for name in SAMPLES
    if name
    not in (
        *("outbind", "cancel_sm", "cancel_sm_resp", "replace_sm", "replace_sm_resp", "submit_multi_resp"),
        # these it reads or writes wrongly: query_sm_resp's final_date has a fixed size, an alert no tags
        *("query_sm_resp", "alert_notification"),
    )
]


class _Numbers:
    """What smpplib asks its client for."""

    sequence = 1

    def next_sequence(self) -> int:
        return 1


def theirs(octets: bytes) -> Any:
    """Read a frame by smpplib."""
    return smpp.parse_pdu(octets, client=_Numbers(), allow_unknown_opt_params=True)


def fields_of(sample: Pdu) -> dict[str, Any]:
    """Return the mandatory fields as smpplib spells them: texts and messages as octets."""
    found: dict[str, Any] = {}
    for field in LAYOUTS[sample.command_id].fields:
        value = getattr(sample, field.name)
        found[field.name] = value.encode("latin-1") if field.kind in (Kind.TEXT, Kind.TIME) else value
    return found


@pytest.mark.parametrize("name", KNOWN)
def test_smpplib_reads_what_we_write(name: str) -> None:
    read = theirs(encode(SAMPLES[name], 1))
    assert read.command == name
    assert read.sequence == 1
    for field, value in fields_of(SAMPLES[name]).items():
        assert getattr(read, field) in ((value, None) if not value else (value,)), field


NUMBERS = st.from_regex(r"[0-9]{1,20}", fullmatch=True)
OCTET = st.integers(1, 255)
ADDRESSES = {
    "source_addr_ton": st.integers(0, 6),
    "source_addr_npi": st.integers(0, 18),
    "source_addr": NUMBERS,
    "dest_addr_ton": st.integers(0, 6),
    "dest_addr_npi": st.integers(0, 18),
    "destination_addr": NUMBERS,
}
MESSAGES = {
    **ADDRESSES,
    "service_type": st.from_regex(r"[A-Z]{0,5}", fullmatch=True),
    "esm_class": OCTET,
    "protocol_id": OCTET,
    "priority_flag": st.integers(0, 3),
    "validity_period": st.sampled_from(["", "000001000000000R"]),
    "registered_delivery": OCTET,
    "replace_if_present_flag": st.integers(0, 1),
    "data_coding": OCTET,
    "sm_default_msg_id": OCTET,
    "short_message": st.binary(min_size=1, max_size=254),
}


@pytest.mark.parametrize("kind", [SubmitSm, DeliverSm])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_smpplib_reads_any_message_of_ours(kind: type[SubmitSm | DeliverSm], data: st.DataObject) -> None:
    sample = data.draw(st.builds(kind, **MESSAGES))
    read = theirs(encode(sample, 1))
    for field, value in fields_of(sample).items():
        assert getattr(read, field) == value, field
    assert read.sm_length == len(sample.short_message)


@pytest.mark.parametrize("kind", [SubmitSm, DeliverSm])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_we_read_any_message_of_smpplib(kind: type[SubmitSm | DeliverSm], data: st.DataObject) -> None:
    fields = data.draw(st.fixed_dictionaries(MESSAGES))
    written = smpp.make_pdu(kind.command_id.name.lower(), client=_Numbers(), **fields)
    frame = decode(written.generate())
    assert frame.pdu == kind(**fields)
    assert (frame.sequence, frame.status) == (1, 0)


def test_we_read_optional_parameters_of_smpplib() -> None:
    written = smpp.make_pdu(
        "deliver_sm",
        client=_Numbers(),
        source_addr="14255550123",
        destination_addr="14255550199",
        short_message=b"x",
        esm_class=4,
        receipted_message_id="1A",
        message_state=2,
        user_message_reference=7,
    )
    pdu = decode(written.generate()).pdu
    assert isinstance(pdu, DeliverSm)
    assert tlv(pdu.tlvs, Tag.RECEIPTED_MESSAGE_ID) == b"1A\0"
    assert tlv(pdu.tlvs, Tag.MESSAGE_STATE) == b"\x02"
    assert tlv(pdu.tlvs, Tag.USER_MESSAGE_REFERENCE) == b"\0\x07"


def test_smpplib_reads_our_optional_parameters() -> None:
    read = theirs(
        encode(
            DeliverSm(
                short_message=b"x", tlvs=((Tag.RECEIPTED_MESSAGE_ID, b"1A\0"), (Tag.MESSAGE_STATE, b"\x02"))
            ),
            1,
        )
    )
    assert (read.receipted_message_id, read.message_state) == (b"1A", 2)


@pytest.mark.parametrize("name", ["bind_transmitter", "bind_receiver", "bind_transceiver"])
def test_we_read_smpplibs_binds(name: str) -> None:
    written = smpp.make_pdu(
        name, client=_Numbers(), system_id="tandem", password="secret08", system_type="SMPP", addr_ton=1
    )
    pdu: Any = decode(written.generate()).pdu
    assert pdu.command_id.name.lower() == name
    assert (pdu.system_id, pdu.password, pdu.system_type, pdu.addr_ton) == ("tandem", "secret08", "SMPP", 1)


def test_every_status_smpplib_knows_has_our_number() -> None:
    known = {name.removeprefix("SMPP_"): getattr(consts, name) for name in dir(consts) if "_ESME_R" in name}
    assert len(known) > 40
    for name, number in known.items():
        assert CommandStatus[name] == number, name


def test_every_tag_smpplib_knows_has_our_number() -> None:
    ours = {tag.name.lower(): int(tag) for tag in Tag}
    for name, number in consts.OPTIONAL_PARAMS.items():
        if name in ours:
            assert ours[name] == number, name
    assert len(set(consts.OPTIONAL_PARAMS) & set(ours)) > 35


def test_every_command_smpplib_knows_has_our_number() -> None:
    from smpplib.command_codes import commands

    for name, number in commands.items():
        if name.upper() in CommandId.__members__:
            assert CommandId[name.upper()] == number


def test_sequence_numbers_have_smpplibs_range() -> None:
    from sms.smpp.session import MAX_SEQUENCE

    assert SimpleSequenceGenerator.MAX_SEQUENCE == MAX_SEQUENCE

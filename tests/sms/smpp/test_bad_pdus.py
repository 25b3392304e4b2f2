"""R16: whatever comes in, the codec gives a value or a PduError, and the session answers or closes."""

import random
from collections import Counter

import pytest

from sms.smpp.codec import HEADER, MAX_PDU, decode, encode
from sms.smpp.constants import RESPONSE_BIT, CommandStatus
from sms.smpp.errors import FramingError, PduError
from sms.smpp.events import Closed
from sms.smpp.layout import LAYOUTS, RESPONSES, TLV_SIZES, Field, Kind
from sms.smpp.pdu import Frame, GenericNack, Pdu
from sms.smpp.session import Session, Timers
from sms.smpp.states import BindState, Role
from tests.support.mutation import mutate, sized
from tests.support.promises import Report
from tests.support.scale import scale
from tests.support.smpp import BIND, SAMPLES

pytestmark = [pytest.mark.unit, pytest.mark.promise("R16")]

MUTATED = scale(10_000, 1_000_000)
"""The promise is 10,000 in one run; measured with a hundred times as many."""

TIMERS = Timers(bind=5, enquire_link=30, response=10)
REQUESTS = {name: sample for name, sample in SAMPLES.items() if not sample.command_id & RESPONSE_BIT}


def bound(role: Role) -> Session:
    """Return a bound session with a request of its own outstanding as number 2."""
    session = Session(role, 0, timers=TIMERS)
    if role is Role.ESME:
        session.bind(BIND)
        session.receive_data(encode(RESPONSES[BIND.command_id]("smsc"), 1), 0)
        session.request(SAMPLES["submit_sm"], "token", 0)
    else:
        session.receive_data(encode(BIND, 1), 0)
        session.answer_bind(1, 0, "smsc")
        session.request(SAMPLES["deliver_sm"], "token", 0)
    session.data_to_send()
    return session


def answers(session: Session) -> list[Frame]:
    """Return what a session wants to send; that it can be decoded is part of the test."""
    data, found = session.data_to_send(), []
    while data:
        length = int.from_bytes(data[:4], "big")
        found.append(decode(data[:length]))
        data = data[length:]
    return found


def outcome(octets: bytes) -> Frame | PduError:
    """Decode, as the contract has it: a value or a PduError; anything else fails the test."""
    try:
        return decode(octets)
    except PduError as error:
        return error


def mutated(count: int) -> list[bytes]:
    dice = random.Random(20260101)
    frames = [encode(sample, 2) for sample in SAMPLES.values()]
    return [mutate(dice.choice(frames), dice) for _ in range(count)]


def test_ten_thousand_mutated_pdus_end_in_a_value_or_a_pdu_error(promise: Report) -> None:
    seen: Counter[str] = Counter()
    for octets in mutated(MUTATED):
        result = outcome(octets)
        seen[type(result).__name__] += 1
        if isinstance(result, PduError):
            assert result.command_status in set(CommandStatus) - {CommandStatus.ESME_ROK}
        else:
            assert decode(encode(result.pdu, result.sequence, result.status)) == result
    assert min(seen["Frame"], seen["PduError"], seen["FramingError"]) > MUTATED / 20
    promise(mutated=MUTATED, read=seen["Frame"], refused=MUTATED - seen["Frame"], crashes=0)


@pytest.mark.parametrize("role", Role)
def test_ten_thousand_mutated_pdus_never_break_a_session(role: Role, promise: Report) -> None:
    dice = random.Random(7)
    session, closed, refused = bound(role), 0, 0
    for octets in mutated(MUTATED):
        cut = dice.randrange(len(octets) + 1)
        events = session.receive_data(octets[:cut], 1) + session.receive_data(octets[cut:], 1)
        refused += sum(frame.status != 0 for frame in answers(session))
        assert session.closed is bool(events and isinstance(events[-1], Closed))
        closed += session.closed
        if session.closed or session._rest:  # a length that promises more would swallow the next ones
            session = bound(role)
    assert closed > MUTATED / 20
    assert refused > MUTATED / 20
    promise(mutated=MUTATED, closed=closed, refused=refused, crashes=0)


def test_noise_ends_in_a_value_or_a_pdu_error() -> None:
    dice = random.Random(3)
    for _ in range(scale(2_000, 200_000)):
        with pytest.raises(PduError):
            decode(dice.randbytes(dice.randrange(200)))


@pytest.mark.parametrize("name", SAMPLES)
def test_a_pdu_cut_anywhere_in_its_body_is_refused(name: str) -> None:
    sample = SAMPLES[name]
    octets = encode(sample, 5)
    for end in range(HEADER, len(octets)):
        cut = sized(octets[:end])
        result = outcome(cut)
        if isinstance(result, PduError):
            assert (result.command_id, result.sequence) == (sample.command_id, 5)
            assert not isinstance(result, FramingError)
        elif name == "deliver_sm_resp":  # whose body need not be there
            assert end == HEADER
        else:  # exactly between two optional parameters
            assert encode(result.pdu, 5) == cut


def fields_on_the_wire(sample: Pdu) -> list[tuple[Field, int, int]]:
    """Return each field with where it begins and ends."""
    at, found = HEADER, []
    for field in LAYOUTS[sample.command_id].fields:
        value = getattr(sample, field.name)
        size = 1 if field.kind is Kind.OCTET else len(value) + 1
        found.append((field, at, at + size))
        at += size
    return found


FIELDS = [
    pytest.param(sample, field, start, end, id=f"{name}-{field.name}")
    for name, sample in SAMPLES.items()
    for field, start, end in fields_on_the_wire(sample)
]


def refused_with(octets: bytes) -> int:
    """Return the status a frame is refused with, as the answer of a session that takes it has it."""
    with pytest.raises(PduError) as caught:
        decode(octets)
    command_id = int.from_bytes(octets[4:8], "big")
    if not command_id & RESPONSE_BIT:
        session = bound(Role.SMSC)
        events = session.receive_data(octets, 1)
        [answer] = answers(session)
        assert events == []
        assert session.state is BindState.BOUND_TRX
        assert type(answer.pdu) is RESPONSES.get(command_id, GenericNack)
        assert answer.status == caught.value.command_status
    return caught.value.command_status


@pytest.mark.parametrize(("sample", "field", "start", "end"), FIELDS)
def test_each_field_missing_or_cut_is_refused(sample: Pdu, field: Field, start: int, end: int) -> None:
    octets = encode(sample, 5)
    if start > HEADER:
        assert refused_with(sized(octets[:start])) == CommandStatus.ESME_RINVCMDLEN
    if end - start > 1:
        cut = refused_with(sized(octets[: end - 1]))
        inside_text = field.kind is Kind.COUNTED
        assert cut == (field.status if inside_text else CommandStatus.ESME_RINVCMDLEN)


TEXTS = [param for param in FIELDS if param.values[1].kind in (Kind.TEXT, Kind.TIME)]  # type: ignore[union-attr]


@pytest.mark.parametrize(("sample", "field", "start", "end"), TEXTS)
def test_each_text_that_is_too_long_is_refused(sample: Pdu, field: Field, start: int, end: int) -> None:
    octets = encode(sample, 5)
    longer = octets[:start] + b"9" * (field.ceiling + 1) + octets[end - 1 :]
    assert refused_with(sized(longer)) == field.status


@pytest.mark.parametrize("name", ["submit_sm", "deliver_sm", "replace_sm"])
def test_an_sm_length_that_lies_is_refused(name: str) -> None:
    sample = SAMPLES[name]
    field, start, end = fields_on_the_wire(sample)[-1]
    octets = encode(sample, 5)
    true = octets[start]
    assert true == end - start - 1
    for lie in range(256):
        lying = octets[:start] + bytes((lie,)) + octets[start + 1 :]
        if lie > field.ceiling or start + 1 + lie > len(octets):
            assert refused_with(lying) == CommandStatus.ESME_RINVMSGLEN
        elif lie != true:  # the rest is read as optional parameters, which it is hardly ever
            result = outcome(lying)
            assert isinstance(result, Frame) or result.command_status in (
                CommandStatus.ESME_RINVOPTPARSTREAM,
                CommandStatus.ESME_RINVPARLEN,
                CommandStatus.ESME_RINVCMDLEN,
            )


@pytest.mark.parametrize("tag", TLV_SIZES)
def test_each_optional_parameter_of_a_wrong_length_is_refused(tag: int) -> None:
    octets = encode(SAMPLES["submit_sm"], 5)
    least, most = TLV_SIZES[tag]
    for length in {least - 1, most + 1}:
        if not 0 <= length < MAX_PDU:
            continue
        tlv = tag.to_bytes(2, "big") + length.to_bytes(2, "big") + b"x" * length
        assert refused_with(sized(octets + tlv)) == CommandStatus.ESME_RINVPARLEN


@pytest.mark.parametrize("tail", ["04", "0424", "042400", "0424000578", "0424ffff", "15010001"])
def test_optional_parameters_that_end_too_early_are_refused(tail: str) -> None:
    octets = encode(SAMPLES["deliver_sm"], 5) + bytes.fromhex(tail)
    with pytest.raises(PduError) as caught:
        decode(sized(octets))
    assert caught.value.command_status == CommandStatus.ESME_RINVOPTPARSTREAM


@pytest.mark.parametrize("name", [name for name, s in SAMPLES.items() if not LAYOUTS[s.command_id].tlvs])
def test_octets_after_a_pdu_without_optional_parameters_are_refused(name: str) -> None:
    octets = encode(SAMPLES[name], 5) + bytes.fromhex("0427000102")
    assert refused_with(sized(octets)) == CommandStatus.ESME_RINVCMDLEN


@pytest.mark.parametrize(
    "command_id", [0, 0x0A, 0x0C, 0x14, 0x22, 0x0100, 0x0104, 0x0111, 0x10200, 0x7FFFFFFF]
)
def test_each_unknown_command_is_nacked(command_id: int) -> None:
    octets = b"\0\0\0\x10" + command_id.to_bytes(4, "big") + bytes(4) + b"\0\0\0\x2a"
    session = bound(Role.SMSC)
    assert session.receive_data(octets, 1) == []
    assert answers(session) == [Frame(GenericNack(), 0x2A, CommandStatus.ESME_RINVCMDID)]


@pytest.mark.parametrize("name", REQUESTS)
def test_each_request_in_a_state_that_does_not_take_it_is_refused_or_ignored(name: str) -> None:
    sample = REQUESTS[name]
    session = Session(Role.ESME, 0, timers=TIMERS)
    session.bind(BIND)
    session.data_to_send()
    assert session.receive_data(encode(sample, 5), 1) == []
    kind = RESPONSES.get(sample.command_id)
    kept = name in ("deliver_sm", "data_sm")  # until the answer to the bind
    expected = [] if kind is None or kept else [Frame(kind(), 5, CommandStatus.ESME_RINVBNDSTS)]
    assert answers(session) == expected

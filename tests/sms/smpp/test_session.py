"""The session, both roles, without sockets and with time in our hand."""

import pytest

from sms.smpp.codec import decode, encode
from sms.smpp.constants import SMPP_3_3, CommandStatus, Tag
from sms.smpp.errors import LinkFull
from sms.smpp.events import Answered, BindReceived, Bound, Closed, Event, Lost, Noticed, Received
from sms.smpp.layout import MAX_PDU, RESPONSES
from sms.smpp.pdu import (
    AlertNotification,
    BindReceiver,
    BindTransceiver,
    BindTransceiverResp,
    BindTransmitter,
    BindTransmitterResp,
    DataSm,
    DataSmResp,
    DeliverSm,
    DeliverSmResp,
    EnquireLink,
    EnquireLinkResp,
    Frame,
    GenericNack,
    Outbind,
    Pdu,
    SubmitMultiResp,
    SubmitSmResp,
    Unbind,
    UnbindResp,
    tlv,
)
from sms.smpp.session import MAX_SEQUENCE, Session, Timers
from sms.smpp.states import BindState, Role
from tests.support.smpp import BIND, DELIVER, SUBMIT

pytestmark = pytest.mark.unit

TIMERS = Timers(bind=5, enquire_link=30, response=10)


def frames(session: Session) -> list[Frame]:
    """Return what the session wants to send, decoded."""
    data = session.data_to_send()
    found = []
    while data:
        length = int.from_bytes(data[:4], "big")
        found.append(decode(data[:length]))
        data = data[length:]
    return found


def esme(request: BindTransceiver | BindTransmitter | BindReceiver = BIND, **options: int) -> Session:
    """Return a bound ESME; its bind was number 1, at 0 s."""
    session = Session(Role.ESME, 0.0, timers=TIMERS, **options)
    session.bind(request)
    [bind] = frames(session)
    response = RESPONSES[request.command_id]("smsc")
    events = session.receive_data(encode(response, bind.sequence), 0.0)
    assert [type(event) for event in events] == [Bound]
    return session


def smsc(request: BindTransceiver | BindTransmitter | BindReceiver = BIND, **options: int) -> Session:
    """Return an SMSC with a bound ESME, whose next sequence number is 2."""
    session = Session(Role.SMSC, 0.0, timers=TIMERS, **options)
    [event] = session.receive_data(encode(request, 1), 0.0)
    assert isinstance(event, BindReceived)
    assert session.answer_bind(event.sequence, 0, "smsc") == []
    assert session.bound
    session.data_to_send()
    return session


def give(session: Session, pdu: Pdu, sequence: int, status: int = 0, now: float = 1.0) -> list[Event]:
    return session.receive_data(encode(pdu, sequence, status), now)


class TestBinding:
    def test_both_ends_bind_and_exchange_a_message_each_way(self) -> None:
        ours, theirs = Session(Role.ESME, 0, timers=TIMERS), Session(Role.SMSC, 0, timers=TIMERS)
        ours.bind(BIND)
        [asked] = theirs.receive_data(ours.data_to_send(), 0)
        assert isinstance(asked, BindReceived)
        assert asked.pdu == BIND
        theirs.answer_bind(asked.sequence, 0, "smsc")
        [bound] = ours.receive_data(theirs.data_to_send(), 0)
        assert bound == Bound(BindTransceiverResp("smsc", ((Tag.SC_INTERFACE_VERSION, b"\x34"),)))
        ours.request(SUBMIT, "out", 1)
        [got] = theirs.receive_data(ours.data_to_send(), 1)
        assert isinstance(got, Received)
        assert got.pdu == SUBMIT
        assert theirs.answer(got.sequence, 0, SubmitSmResp("a1"))
        assert ours.receive_data(theirs.data_to_send(), 1) == [Answered("out", 0, SubmitSmResp("a1"))]
        theirs.request(DELIVER, "in", 2)
        [came] = ours.receive_data(theirs.data_to_send(), 2)
        assert isinstance(came, Received)
        assert ours.answer(came.sequence)
        assert theirs.receive_data(ours.data_to_send(), 2) == [Answered("in", 0, DeliverSmResp())]

    def test_what_comes_before_the_bind_response_is_not_taken_for_it_and_kept(self) -> None:
        session = Session(Role.ESME, 0, timers=TIMERS)
        session.bind(BIND)
        session.data_to_send()
        assert give(session, DELIVER, 1) == []
        assert give(session, SUBMIT, 2) == []
        assert frames(session) == [Frame(SubmitSmResp(), 2, CommandStatus.ESME_RINVBNDSTS)]
        assert session.state is BindState.BINDING_TRX
        bound, early = give(session, BindTransceiverResp("smsc"), 1)
        assert isinstance(bound, Bound)
        assert early == Received(DELIVER, 1)
        assert session.answer(1)
        assert frames(session) == [Frame(DeliverSmResp(), 1)]

    def test_no_more_is_kept_before_the_bind_response_than_may_wait_after_it(self) -> None:
        session = Session(Role.ESME, 0, timers=TIMERS, max_unanswered=2)
        session.bind(BIND)
        session.data_to_send()
        for sequence in (1, 2, 3):
            give(session, DELIVER, sequence)
        assert frames(session) == [Frame(DeliverSmResp(), 3, CommandStatus.ESME_RINVBNDSTS)]

    @pytest.mark.parametrize("status", [0, CommandStatus.ESME_RINVPASWD])
    def test_a_transmitter_or_a_refused_bind_keeps_nothing(self, status: int) -> None:
        request = BindTransmitter(system_id="tandem") if status == 0 else BIND
        session = Session(Role.ESME, 0, timers=TIMERS)
        session.bind(request)
        session.data_to_send()
        give(session, DELIVER, 7)
        events = give(session, RESPONSES[request.command_id](), 1, status)
        assert [type(event) for event in events] == [Bound if status == 0 else Closed]

    def test_a_response_of_another_bind_type_is_not_taken_for_ours(self) -> None:
        session = Session(Role.ESME, 0, timers=TIMERS)
        session.bind(BIND)
        assert give(session, BindTransmitterResp("smsc"), 1) == []
        assert not session.bound
        assert session.counters.stray_responses == 1

    @pytest.mark.parametrize("answer", [BindTransceiverResp(), GenericNack()], ids=["response", "nack"])
    def test_a_refused_bind_closes_and_tells_the_status(self, answer: Pdu) -> None:
        session = Session(Role.ESME, 0, timers=TIMERS)
        session.bind(BIND)
        [closed] = give(session, answer, 1, CommandStatus.ESME_RINVPASWD)
        assert isinstance(closed, Closed)
        assert closed.bind_status == CommandStatus.ESME_RINVPASWD
        assert "password is invalid" in closed.reason

    def test_a_malformed_bind_response_closes(self) -> None:
        session = Session(Role.ESME, 0, timers=TIMERS)
        session.bind(BIND)
        [closed] = session.receive_data(bytes.fromhex("00000010 80000009 00000000 00000001"), 1)
        assert isinstance(closed, Closed)

    def test_an_smsc_that_refuses_answers_and_closes(self) -> None:
        session = Session(Role.SMSC, 0, timers=TIMERS)
        [asked] = give(session, BIND, 7)
        assert isinstance(asked, BindReceived)
        [closed] = session.answer_bind(7, CommandStatus.ESME_RINVPASWD)
        assert isinstance(closed, Closed)
        assert closed.flush
        assert frames(session) == [Frame(BindTransceiverResp(), 7, CommandStatus.ESME_RINVPASWD)]
        assert session.answer_bind(7, 0) == []

    def test_a_peer_of_3_3_gets_no_optional_parameter(self) -> None:
        session = Session(Role.SMSC, 0, timers=TIMERS)
        give(session, BindTransmitter("old", interface_version=SMPP_3_3), 1)
        session.answer_bind(1, 0, "smsc")
        [answer] = frames(session)
        assert answer.pdu == BindTransmitterResp("smsc")

    def test_a_second_bind_is_refused_as_already_bound(self) -> None:
        session = smsc()
        give(session, BIND, 2)
        assert frames(session) == [Frame(BindTransceiverResp(), 2, CommandStatus.ESME_RALYBND)]
        assert session.bound

    def test_whoever_does_not_bind_in_time_is_closed(self) -> None:
        session = Session(Role.SMSC, 0, timers=TIMERS)
        assert session.next_timeout() == 5
        assert session.tick(4.9) == []
        [closed] = session.tick(5)
        assert isinstance(closed, Closed)
        assert session.next_timeout() is None

    def test_asking_to_stay_does_not_replace_a_bind(self) -> None:
        session = Session(Role.SMSC, 0, timers=TIMERS)
        give(session, EnquireLink(), 1, now=4)
        assert frames(session) == [Frame(EnquireLinkResp(), 1, CommandStatus.ESME_RINVBNDSTS)]
        assert len(session.tick(5)) == 1

    def test_an_outbind_is_noticed(self) -> None:
        session = Session(Role.ESME, 0, timers=TIMERS)
        assert give(session, Outbind("smsc", "pw"), 1) == [Noticed(Outbind("smsc", "pw"))]
        assert frames(session) == []


class TestStream:
    def test_pdus_split_at_every_octet_are_put_together_again(self) -> None:
        stream = b"".join(encode(DELIVER, number) for number in range(1, 4))
        for cut in range(len(stream) + 1):
            session = esme()
            events = session.receive_data(stream[:cut], 1) + session.receive_data(stream[cut:], 1)
            assert [event.sequence for event in events if isinstance(event, Received)] == [1, 2, 3]

    def test_a_stream_may_come_octet_by_octet(self) -> None:
        session = smsc()
        events: list[Event] = []
        for octet in encode(SUBMIT, 2) + encode(SUBMIT, 3):
            events += session.receive_data(bytes((octet,)), 1)
        assert events == [Received(SUBMIT, 2), Received(SUBMIT, 3)]

    @pytest.mark.parametrize("length", [0, 1, 15, MAX_PDU + 1, 0x7FFFFFFF, 0xFFFFFFFF])
    def test_an_impossible_length_is_nacked_and_closes(self, length: int) -> None:
        session = smsc()
        header = length.to_bytes(4, "big") + encode(SUBMIT, 9)[4:16]
        [closed] = session.receive_data(header, 1)
        assert isinstance(closed, Closed)
        assert closed.flush
        [nack] = frames(session)
        assert nack.pdu == GenericNack()
        assert nack.status == CommandStatus.ESME_RINVCMDLEN
        assert nack.sequence == (9 if length > MAX_PDU else 0)
        assert session.receive_data(encode(SUBMIT, 2), 1) == []

    def test_an_impossible_length_is_seen_before_the_rest_comes(self) -> None:
        session = smsc()
        [closed] = session.receive_data((MAX_PDU + 1).to_bytes(4, "big"), 1)
        assert isinstance(closed, Closed)

    def test_what_came_before_an_impossible_length_counts(self) -> None:
        session = smsc()
        events = session.receive_data(encode(SUBMIT, 2) + bytes(4), 1)
        assert [type(event) for event in events] == [Received, Closed]


class TestRequests:
    def test_the_window_fills_and_empties(self) -> None:
        session = esme(window=2)
        assert session.room == 2
        first = session.request(SUBMIT, "a", 1)
        session.request(SUBMIT, "b", 1)
        assert (session.room, session.outstanding) == (0, 2)
        with pytest.raises(LinkFull):
            session.request(SUBMIT, "c", 1)
        give(session, SubmitSmResp("x"), first)
        assert session.room == 1
        session.request(SUBMIT, "c", 1)

    def test_answers_may_come_in_any_order(self) -> None:
        session = esme()
        numbers = {token: session.request(SUBMIT, token, 1) for token in "abc"}
        for token in "cab":
            [answered] = give(session, SubmitSmResp(token), numbers[token])
            assert answered == Answered(token, 0, SubmitSmResp(token))

    def test_a_nack_answers_a_request_and_is_never_a_success(self) -> None:
        session = esme()
        first, second = session.request(SUBMIT, "a", 1), session.request(SUBMIT, "b", 1)
        [event] = give(session, GenericNack(), first, CommandStatus.ESME_RINVCMDID)
        assert event == Answered("a", CommandStatus.ESME_RINVCMDID, GenericNack())
        [event] = give(session, GenericNack(), second, 0)
        assert event == Answered("b", CommandStatus.ESME_RUNKNOWNERR, GenericNack())

    def test_a_response_of_another_kind_answers_nothing(self) -> None:
        session = esme()
        number = session.request(SUBMIT, "a", 1)
        assert give(session, DataSmResp("x"), number) == []
        assert give(session, EnquireLinkResp(), number) == []
        assert (session.outstanding, session.counters.stray_responses) == (1, 2)

    def test_a_response_to_nothing_is_ignored_and_counted(self) -> None:
        session = esme()
        assert give(session, SubmitSmResp("x"), 4711) == []
        assert give(session, GenericNack(), 0, CommandStatus.ESME_RINVCMDLEN) == []
        assert frames(session) == []
        assert session.counters.stray_responses == 2

    def test_a_malformed_response_leaves_the_outcome_unknown(self) -> None:
        session = esme()
        number = session.request(SUBMIT, "a", 1)
        octets = bytes.fromhex("00000010 80000004 00000000") + number.to_bytes(4, "big")
        [lost] = session.receive_data(octets, 1)
        assert isinstance(lost, Lost)
        assert lost.token == "a"
        session.data_to_send()
        assert session.receive_data(octets, 1) == []
        assert frames(session) == []

    def test_sequence_numbers_start_again_and_pass_over_those_in_use(self) -> None:
        session = esme()
        session._sequence = 0
        assert session.request(SUBMIT, "first", 1) == 1
        session._sequence = MAX_SEQUENCE - 1
        assert session.request(SUBMIT, "last", 1) == MAX_SEQUENCE
        assert session.request(SUBMIT, "again", 1) == 2

    def test_what_the_bind_does_not_carry_is_not_sent(self) -> None:
        with pytest.raises(LinkFull):
            esme(BindReceiver("r")).request(SUBMIT, "a", 1)
        with pytest.raises(LinkFull):
            smsc(BindTransmitter("t")).request(DELIVER, "a", 1)
        with pytest.raises(LinkFull):
            Session(Role.ESME, 0, timers=TIMERS).request(SUBMIT, "a", 1)
        with pytest.raises(LinkFull):
            esme().request(DELIVER, "a", 1)

    def test_the_end_of_the_connection_loses_everything_outstanding_once(self) -> None:
        session = esme()
        session.request(SUBMIT, "a", 1)
        session.request(SUBMIT, "b", 1)
        events = session.connection_lost("reset")
        assert events[:2] == [Lost("a", "reset"), Lost("b", "reset")]
        assert isinstance(events[2], Closed)
        assert session.connection_lost("again") == []
        assert session.tick(100) == []
        assert (session.outstanding, session.room) == (0, 0)


class TestAnswers:
    def test_enquire_link_is_answered(self) -> None:
        session = esme()
        assert give(session, EnquireLink(), 99) == []
        assert frames(session) == [Frame(EnquireLinkResp(), 99)]

    def test_unbind_is_answered_and_closes(self) -> None:
        session = esme()
        session.request(SUBMIT, "a", 1)
        session.data_to_send()
        events = give(session, Unbind(), 5)
        assert events == [Lost("a", "the peer unbound"), Closed("the peer unbound", True)]
        assert frames(session) == [Frame(UnbindResp(), 5)]

    def test_answers_that_came_with_an_unbind_still_count(self) -> None:
        session = esme()
        for token in "ab":
            session.request(SUBMIT, token, 1)
        came = encode(Unbind(), 5) + encode(SubmitSmResp("1"), 2) + encode(DELIVER, 6)
        answered, lost, closed = session.receive_data(came, 1)
        assert answered == Answered("a", 0, SubmitSmResp("1"))
        assert lost == Lost("b", "the peer unbound")
        assert closed == Closed("the peer unbound", True)
        assert session.receive_data(encode(SubmitSmResp("2"), 3), 1) == []

    def test_an_unknown_command_is_nacked_and_the_connection_lives(self) -> None:
        session = smsc()
        octets = bytes.fromhex("00000010 00000999 00000000 00000031")
        assert session.receive_data(octets, 1) == []
        assert frames(session) == [Frame(GenericNack(), 0x31, CommandStatus.ESME_RINVCMDID)]
        assert session.bound

    def test_an_unknown_response_is_not_answered(self) -> None:
        session = smsc()
        assert session.receive_data(bytes.fromhex("00000010 80000999 00000000 00000031"), 1) == []
        assert frames(session) == []
        assert session.counters.malformed == 1

    def test_submit_multi_is_refused_in_its_own_response(self) -> None:
        session = smsc()
        session.receive_data(bytes.fromhex("00000012 00000021 00000000 00000031 0001"), 1)
        assert frames(session) == [Frame(SubmitMultiResp(), 0x31, CommandStatus.ESME_RINVCMDID)]

    def test_a_malformed_request_is_refused_in_its_own_response(self) -> None:
        session = smsc()
        octets = encode(SUBMIT, 3)[:-1]
        session.receive_data(len(octets).to_bytes(4, "big") + octets[4:], 1)
        assert frames(session) == [Frame(SubmitSmResp(), 3, CommandStatus.ESME_RINVMSGLEN)]
        assert session.bound

    @pytest.mark.parametrize("kind", [BindTransmitter, BindReceiver, BindTransceiver])
    def test_requests_in_the_wrong_bind_state_are_refused(
        self, kind: type[BindTransmitter | BindReceiver | BindTransceiver]
    ) -> None:
        session = smsc(kind("x"))
        events = give(session, SUBMIT, 2)
        if kind is BindReceiver:
            assert events == []
            assert frames(session) == [Frame(SubmitSmResp(), 2, CommandStatus.ESME_RINVBNDSTS)]
        else:
            assert events == [Received(SUBMIT, 2)]
        events = give(session, DELIVER, 3)
        if kind is BindReceiver:
            assert events == []
            assert frames(session)[-1] == Frame(DeliverSmResp(), 3, CommandStatus.ESME_RINVBNDSTS)
        else:
            assert events == [Received(DELIVER, 3)]  # a carrier's; who may push knows the application

    def test_an_answer_goes_once(self) -> None:
        session = esme()
        give(session, DELIVER, 8)
        assert session.unanswered == 1
        assert session.answer(8)
        assert not session.answer(8)
        assert not session.answer(9)
        assert len(frames(session)) == 1

    def test_a_data_sm_is_answered_in_its_own_kind(self) -> None:
        session = esme()
        give(session, DataSm(), 8)
        session.answer(8, CommandStatus.ESME_RX_T_APPN)
        assert frames(session) == [Frame(DataSmResp(), 8, CommandStatus.ESME_RX_T_APPN)]

    def test_an_alert_is_noticed_and_not_answered(self) -> None:
        session = esme()
        assert give(session, AlertNotification(), 8) == [Noticed(AlertNotification())]
        assert frames(session) == []

    def test_a_repeated_number_waits_for_the_first_answer(self) -> None:
        session = esme()
        assert len(give(session, DELIVER, 8)) == 1
        assert give(session, DELIVER, 8) == []
        assert session.counters.repeated_sequences == 1
        session.answer(8)
        assert len(give(session, DELIVER, 8)) == 1

    @pytest.mark.parametrize(
        ("role", "status"),
        [(Role.ESME, CommandStatus.ESME_RMSGQFUL), (Role.SMSC, CommandStatus.ESME_RTHROTTLED)],
    )
    def test_a_flood_beyond_what_may_wait_is_told_to_come_again(self, role: Role, status: int) -> None:
        session = esme(max_unanswered=3) if role is Role.ESME else smsc(max_unanswered=3)
        pdu = DELIVER if role is Role.ESME else SUBMIT
        events = session.receive_data(b"".join(encode(pdu, number) for number in range(10, 15)), 1)
        assert [event.sequence for event in events if isinstance(event, Received)] == [10, 11, 12]
        assert [(frame.sequence, frame.status) for frame in frames(session)] == [(13, status), (14, status)]
        session.answer(10)
        assert len(give(session, pdu, 15)) == 1

    def test_nothing_is_answered_after_the_end(self) -> None:
        session = esme()
        give(session, DELIVER, 8)
        session.connection_lost("reset")
        assert not session.answer(8)
        assert not session.has_output


class TestTime:
    def test_silence_is_tested_and_an_answer_ends_the_doubt(self) -> None:
        session = esme()
        assert session.next_timeout() == 30
        assert session.tick(29.9) == []
        assert frames(session) == []
        session.tick(30)
        [probe] = frames(session)
        assert isinstance(probe.pdu, EnquireLink)
        assert session.next_timeout() == 60
        session.tick(45)
        assert frames(session) == []
        give(session, EnquireLinkResp(), probe.sequence, now=50)
        assert session.next_timeout() == 80
        assert session.tick(60) == []

    def test_two_silent_periods_end_the_connection(self) -> None:
        session = esme()
        session.tick(30)
        session.data_to_send()
        session.request(SUBMIT, "a", 55)
        assert session.tick(59) == []
        lost, closed = session.tick(60)
        assert isinstance(lost, Lost)
        assert lost.token == "a"
        assert isinstance(closed, Closed)
        assert not closed.flush

    def test_octets_that_never_make_a_pdu_are_no_sign_of_life(self) -> None:
        session = esme()
        for second, octet in enumerate(encode(DELIVER, 1)[:-1]):
            session.receive_data(bytes((octet,)), float(second))
        [closed] = session.tick(60)
        assert isinstance(closed, Closed)

    def test_a_request_without_an_answer_is_lost_alone(self) -> None:
        session = esme()
        session.request(SUBMIT, "old", 1)
        session.request(SUBMIT, "new", 3)
        assert session.next_timeout() == 11
        assert session.tick(10.9) == []
        [lost] = session.tick(11)
        assert lost == Lost("old", "no answer within 10 s", True)
        assert session.bound
        assert session.next_timeout() == 13
        assert session.counters.timeouts == 1

    def test_a_late_answer_changes_nothing(self) -> None:
        session = esme()
        number = session.request(SUBMIT, "old", 1)
        session.tick(11)
        assert give(session, SubmitSmResp("late"), number) == []
        assert session.counters.stray_responses == 1

    def test_an_unbind_without_an_answer_ends_all_the_same(self) -> None:
        session = esme()
        session.unbind(1)
        session.unbind(2)
        [asked] = frames(session)
        assert isinstance(asked.pdu, Unbind)
        assert session.next_timeout() == 11
        [closed] = session.tick(11)
        assert isinstance(closed, Closed)

    def test_answers_still_count_while_unbinding(self) -> None:
        session = esme()
        number = session.request(SUBMIT, "a", 1)
        session.unbind(1)
        assert session.room == 0
        assert give(session, SubmitSmResp("x"), number) == [Answered("a", 0, SubmitSmResp("x"))]
        assert give(session, DELIVER, 4) == []
        assert frames(session)[-1] == Frame(DeliverSmResp(), 4, CommandStatus.ESME_RINVBNDSTS)
        assert give(session, UnbindResp(), number + 1) == [Closed("unbound", True)]

    def test_both_may_unbind_at_once(self) -> None:
        session = esme()
        session.unbind(1)
        session.data_to_send()
        assert give(session, Unbind(), 7) == [Closed("the peer unbound", True)]
        assert frames(session) == [Frame(UnbindResp(), 7)]


def test_a_receipt_keeps_its_optional_parameters_through_the_session() -> None:
    session = esme()
    receipt = DeliverSm(esm_class=4, tlvs=((Tag.RECEIPTED_MESSAGE_ID, b"1A\0"), (0x1501, b"z")))
    [event] = give(session, receipt, 3)
    assert isinstance(event, Received)
    assert isinstance(event.pdu, DeliverSm)
    assert tlv(event.pdu.tlvs, 0x1501) == b"z"
    assert "ESME" in repr(session).upper()

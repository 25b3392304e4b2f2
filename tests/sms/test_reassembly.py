"""Inbound parts in any order, twice, mixed, late or never; and messages that come twice."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from carriers.model.text import TextPolicy
from sms.reassembly import (
    GAP,
    ID_WINDOW,
    REPEATED,
    Assembled,
    Complete,
    Group,
    PartKey,
    PartRow,
    ReassemblySettings,
    Step,
    TimedOut,
    Waiting,
    assemble,
    decide,
    overflow,
    part_of,
    receive,
    repetition,
)
from sms.text import NO_SHIFT, Alphabet, Shift, TextEncoder, decode
from telephony.kernel.clock import SECOND

pytestmark = pytest.mark.unit

SECONDS = 600
NOW = 1_700_000_000 * SECOND
KEY = PartKey("carrier", "+14255550199", "+12065550100", "udh8", 7, 3)
GRIN = "\N{GRINNING FACE}"


def row(
    number: int,
    body: bytes = b"x",
    *,
    at: float = 0,
    key: PartKey = KEY,
    alphabet: Alphabet = Alphabet.GSM,
    shift: Shift = NO_SHIFT,
    delivered: bool = False,
) -> PartRow:
    """Return a part that came `at` seconds after NOW."""
    return PartRow(key, number, body, alphabet, shift, NOW + round(at * SECOND), delivered)


class Shelf:
    """A store of rows that does what `receive` and `decide` say."""

    def __init__(self) -> None:
        self.rows: dict[PartKey, list[PartRow]] = {}
        self.texts: list[Assembled] = []

    def take(self, part: PartRow) -> Step:
        """Receive a part."""
        step = receive(part, self.rows.get(part.key, []), SECONDS)
        if step.forget:
            self.rows[part.key] = []
        if step.keep:
            self.rows.setdefault(part.key, []).append(part)
        if step.delivered:
            self.rows[part.key] = [row._replace(delivered=True) for row in self.rows[part.key]]
        self.texts += step.texts
        return step

    def sweep(self, now: int) -> None:
        """Deliver what was waited for."""
        for key, rows in self.rows.items():
            if rows and not rows[0].delivered:
                decision = decide(rows, now, SECONDS)
                if isinstance(decision, TimedOut):
                    self.texts.append(decision.text)
                    self.rows[key] = [row._replace(delivered=True) for row in rows]


def parts_of(
    text: str, reference: int = 7, *, policy: TextPolicy | None = None, peer: str = KEY.peer, at: float = 0
) -> list[PartRow]:
    """Return the rows of a text as somebody sends it."""
    encoder = TextEncoder(policy or TextPolicy())
    rows = []
    for part in encoder.encode(text).parts(reference):
        decoded = decode(part.payload, part.data_coding, part.udhi)
        found = part_of("carrier", KEY.own, peer, decoded, part.tlvs, NOW + round(at * SECOND))
        assert found is not None
        rows.append(found)
    return rows


def texts_of(parts: Sequence[PartRow]) -> list[str]:
    """Return what comes out when these come in."""
    shelf = Shelf()
    for part in parts:
        shelf.take(part)
    return [each.text for each in shelf.texts]


# --- complete texts ---


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
def test_parts_in_any_order_become_the_text(order: tuple[int, ...]) -> None:
    text = "a" * 153 + "b" * 153 + "c"
    parts = parts_of(text)
    assert texts_of([parts[at] for at in order]) == [text]


def test_a_text_in_one_part_is_no_part() -> None:
    decoded = decode(b"hi", 0, False)
    assert part_of("carrier", "1", "2", decoded, (), NOW) is None
    single = decode(bytes.fromhex("050003070101") + b"hi", 0, True)
    assert part_of("carrier", "1", "2", single, (), NOW) is None


def test_sar_parameters_and_both_headers_are_understood_and_kept_apart() -> None:
    kinds = []
    for concatenation in ("udh8", "udh16", "sar"):
        (first, second) = parts_of("a" * 160 + "b", policy=TextPolicy(concatenation=concatenation))  # type: ignore[arg-type]
        assert first.key == second.key
        kinds.append(first.key.kind)
        assert texts_of([second, first]) == ["a" * 160 + "b"]
    assert kinds == ["udh8", "udh16", "sar"]


def test_a_text_in_national_tables_is_joined_in_them() -> None:
    text = "şğı€" * 60
    parts = parts_of(text, policy=TextPolicy(languages=("turkish",)))
    assert texts_of(list(reversed(parts))) == [text]


def test_parts_that_the_sender_cut_inside_a_character_are_joined_before_they_are_read() -> None:
    key = KEY._replace(total=2)
    units = GRIN.encode("utf-16-be")
    first = row(1, units[:2], key=key, alphabet=Alphabet.UCS2)
    second = row(2, units[2:], key=key, alphabet=Alphabet.UCS2)
    assert texts_of([second, first]) == [GRIN]
    assert texts_of([row(2, b"\x65", key=key), row(1, b"5\x1b", key=key)]) == ["5€"]


def test_parts_in_different_alphabets_are_read_each_in_its_own() -> None:
    parts = [
        row(1, b"\x00\x1b"),
        row(2, "ж".encode("utf-16-be"), alphabet=Alphabet.UCS2),
        row(3, b"\x1b\x73", shift=Shift(0, 1)),
    ]
    assert assemble(parts).text == "@ жş"
    assert assemble(parts).alphabet is Alphabet.GSM


def test_octets_that_are_no_text_are_joined_as_octets() -> None:
    parts = [row(number, bytes((number,)) * 2, alphabet=Alphabet.BINARY) for number in (3, 1, 2)]
    whole = assemble(parts)
    assert (whole.text, whole.body, whole.alphabet) == ("", b"\1\1\2\2\3\3", Alphabet.BINARY)
    mixed = assemble([row(1, b"a"), row(2, b"\xff", alphabet=Alphabet.BINARY), row(3, b"b")])
    assert (mixed.text, mixed.alphabet, mixed.missing) == (f"a{GAP}b", Alphabet.BINARY, ())
    assert mixed.body == b"a\xffb"


def test_the_text_knows_how_many_parts_it_had_and_when_the_first_came() -> None:
    whole = assemble([row(2, b"b", at=1), row(1, b"a", at=5), row(3, b"c", at=9)])
    assert (whole.parts, whole.missing, whole.at) == (3, (), NOW + SECOND)
    assert whole.body == b"abc"


def test_senders_numbers_carriers_and_totals_are_kept_apart() -> None:
    others = [
        KEY._replace(peer="+12065550101"),
        KEY._replace(own="+14255550198"),
        KEY._replace(carrier="other"),
        KEY._replace(reference=8),
        KEY._replace(total=4),
        KEY._replace(kind="sar"),
        KEY._replace(kind="udh16"),
    ]
    shelf = Shelf()
    for key in [KEY, *others]:
        shelf.take(row(1, key=key))
        shelf.take(row(2, key=key))
    assert shelf.texts == []
    shelf.take(row(3))
    assert [each.key for each in shelf.texts] == [KEY]


# --- repetitions ---


def test_a_part_that_comes_twice_changes_nothing() -> None:
    shelf = Shelf()
    shelf.take(row(1, b"a"))
    assert shelf.take(row(1, b"a", at=5)) is REPEATED
    assert shelf.take(row(2, b"b", at=6)) == Step()
    last = shelf.take(row(3, b"c", at=7))
    assert last.delivered
    assert [each.text for each in last.texts] == ["abc"]
    assert shelf.take(row(3, b"c", at=8)) is REPEATED  # its answer was lost
    assert shelf.take(row(1, b"a", at=500)) is REPEATED
    assert len(shelf.texts) == 1


def test_a_reference_used_again_after_delivery_begins_another_text() -> None:
    shelf = Shelf()
    for number in (1, 2, 3):
        shelf.take(row(number, b"a"))
    assert shelf.take(row(1, b"b", at=1)) == Step(forget=True)
    shelf.take(row(2, b"b", at=2))
    shelf.take(row(3, b"b", at=3))
    assert [each.text for each in shelf.texts] == ["aaa", "bbb"]


def test_a_reference_used_again_too_early_delivers_what_there_is_of_the_first_text() -> None:
    shelf = Shelf()
    shelf.take(row(1, b"a"))
    shelf.take(row(3, b"c", at=1))
    step = shelf.take(row(1, b"d", at=2))
    assert step.forget
    assert [each.text for each in step.texts] == [f"a{GAP}c"]
    shelf.take(row(2, b"e", at=3))
    shelf.take(row(3, b"f", at=4))
    assert [each.text for each in shelf.texts] == [f"a{GAP}c", "def"]


def test_a_part_that_comes_when_its_text_is_due_does_not_join_it() -> None:
    shelf = Shelf()
    shelf.take(row(1, b"a"))
    shelf.take(row(2, b"b", at=SECONDS))  # the sweep was late
    assert [each.text for each in shelf.texts] == [f"a{GAP}"]
    shelf.take(row(3, b"c", at=SECONDS + 1))
    shelf.take(row(1, b"a", at=SECONDS + 2))
    assert [each.text for each in shelf.texts] == [f"a{GAP}", "abc"]


def test_a_part_of_a_slow_text_is_known_again_though_it_came_long_ago() -> None:
    shelf = Shelf()
    shelf.take(row(1, b"a"))
    shelf.take(row(2, b"b", at=SECONDS - 1))
    assert shelf.take(row(1, b"a", at=SECONDS + 1)) is REPEATED


# --- time ---


def test_a_text_waits_for_its_parts_from_the_last_that_came() -> None:
    rows = [row(1), row(3, at=30)]
    until = NOW + (30 + SECONDS) * SECOND
    assert decide(rows, NOW + 31 * SECOND, SECONDS) == Waiting(until)
    assert decide(rows, until - 1, SECONDS) == Waiting(until)
    assert decide(rows, until, SECONDS) == TimedOut(assemble(rows))
    assert decide([*rows, row(2)], until + SECOND, SECONDS) == Complete(assemble([*rows, row(2)]))


@pytest.mark.parametrize(
    ("came", "text", "missing"),
    [
        ([1], f"a{GAP}", (2, 3, 4, 5)),
        ([5], f"{GAP}e", (1, 2, 3, 4)),
        ([1, 2, 5], f"ab{GAP}e", (3, 4)),
        ([2, 4], f"{GAP}b{GAP}d{GAP}", (1, 3, 5)),
        ([1, 3, 5], f"a{GAP}c{GAP}e", (2, 4)),
    ],
)
def test_a_text_that_is_not_complete_in_time_is_delivered_with_its_gaps(
    came: list[int], text: str, missing: tuple[int, ...]
) -> None:
    key = KEY._replace(total=5)
    shelf = Shelf()
    for number in came:
        shelf.take(row(number, bytes((96 + number,)), key=key))
    shelf.sweep(NOW + SECONDS * SECOND - 1)
    assert shelf.texts == []
    shelf.sweep(NOW + SECONDS * SECOND)
    shelf.sweep(NOW + SECONDS * SECOND)
    (found,) = shelf.texts
    assert (found.text, found.missing, found.parts) == (text, missing, len(came))
    assert found.body == text.encode()


def test_half_a_character_at_a_gap_is_marked_and_does_no_harm() -> None:
    key = KEY._replace(total=2)
    found = assemble([row(1, GRIN.encode("utf-16-be")[:2], key=key, alphabet=Alphabet.UCS2)])
    assert found.text == f"\ufffd{GAP}"
    found.text.encode()


# --- limits ---


def group(peer: str, reference: int, parts: int, newest: int) -> Group:
    """Return a group of parts that waits."""
    return Group(KEY._replace(peer=peer, reference=reference), parts, newest)


def test_nothing_goes_while_there_is_room() -> None:
    groups = [group("a", 1, 5, 1), group("b", 2, 5, 2)]
    assert overflow(groups, per_sender=5, overall=10) == []


def test_a_senders_oldest_text_goes_when_he_has_too_many_parts_waiting() -> None:
    groups = [group("a", 3, 4, 30), group("b", 1, 9, 1), group("a", 1, 4, 10), group("a", 2, 4, 20)]
    assert overflow(groups, per_sender=9, overall=100) == [groups[2].key]
    assert overflow(groups, per_sender=4, overall=100) == [groups[1].key, groups[2].key, groups[3].key]


def test_the_oldest_text_of_all_goes_when_too_much_waits() -> None:
    groups = [group(str(number), 1, 10, 100 - number) for number in range(10)]
    assert overflow(groups, per_sender=255, overall=75) == [each.key for each in groups[:6:-1]]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 255), st.integers(0, 50)), max_size=30),
    st.integers(255, 1000),
    st.integers(255, 2000),
)
def test_after_an_overflow_the_limits_hold(
    waiting: list[tuple[str, int, int]], per_sender: int, overall: int
) -> None:
    groups = [group(peer, at, parts, newest) for at, (peer, parts, newest) in enumerate(waiting)]
    gone = set(overflow(groups, per_sender=per_sender, overall=overall))
    left = [each for each in groups if each.key not in gone]
    assert sum(each.parts for each in left) <= overall
    for peer in "abc":
        assert sum(each.parts for each in left if each.key.peer == peer) <= per_sender


def test_the_settings_have_room_for_the_longest_text() -> None:
    defaults = ReassemblySettings()
    assert defaults.seconds == 600
    assert 255 <= defaults.parts_per_sender <= defaults.parts


# --- whole messages that come twice ---


def digest(
    own: str = "1",
    peer: str = "2",
    body: bytes = b"x",
    alphabet: Alphabet = Alphabet.GSM,
    remote_id: str = "",
) -> bytes:
    """Return how a message is known again."""
    found = repetition("carrier", own, peer, body, alphabet, NOW, seconds=30, remote_id=remote_id)
    assert found is not None
    return found.digest


def test_the_same_words_between_the_same_two_are_known_again_for_a_while() -> None:
    first = repetition("carrier", "1", "2", b"x", Alphabet.GSM, NOW, seconds=30)
    again = repetition("carrier", "1", "2", b"x", Alphabet.GSM, NOW + 30 * SECOND, seconds=30)
    assert first is not None
    assert again is not None
    assert first.digest == again.digest
    assert again.since == NOW
    assert repetition("carrier", "1", "2", b"x", Alphabet.GSM, NOW, seconds=0) is None


def test_anything_else_is_another_message() -> None:
    others = [
        digest(),
        digest(own="3"),
        digest(peer="3"),
        digest(body=b"y"),
        digest(alphabet=Alphabet.BINARY),
        digest(own="12", peer=""),
        digest(own="", peer="12"),
        digest(remote_id="a"),
        digest(remote_id="b"),
        digest(remote_id="a", body=b"y"),
    ]
    assert len(set(others)) == len(others)
    assert digest(remote_id="a") == digest(remote_id="a")


def test_a_carriers_id_names_a_message_for_longer_even_when_words_do_not_count() -> None:
    found = repetition("carrier", "1", "2", b"x", Alphabet.GSM, NOW, seconds=0, remote_id="a")
    assert found is not None
    assert found.since == NOW - ID_WINDOW


# --- whatever comes ---


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["+1", "+2"]),
            st.text(st.sampled_from("a€ş😀ж"), min_size=161, max_size=700),
            st.sampled_from(["udh8", "udh16", "sar"]),
        ),
        min_size=1,
        max_size=4,
    ),
    st.randoms(use_true_random=False),
)
def test_texts_of_several_senders_mixed_and_repeated_all_arrive_once(
    sent: list[tuple[str, str, str]], chance: random.Random
) -> None:
    parts: list[PartRow] = []
    for reference, (peer, text, concatenation) in enumerate(sent):
        policy = TextPolicy(concatenation=concatenation, languages=("turkish",))  # type: ignore[arg-type]
        parts += parts_of(text, reference, policy=policy, peer=peer)
    parts += chance.sample(parts, len(parts) // 2)
    chance.shuffle(parts)
    shelf = Shelf()
    for part in parts:
        shelf.take(part)
    assert sorted((each.key.peer, each.text) for each in shelf.texts) == sorted(
        (peer, text) for peer, text, _ in sent
    )
    assert all(each.missing == () for each in shelf.texts)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 3),
            st.binary(max_size=4),
            st.sampled_from(list(Alphabet)),
            st.integers(0, 2000),
        ),
        max_size=12,
    )
)
def test_no_part_is_lost_whatever_comes(came: list[tuple[int, bytes, Alphabet, int]]) -> None:
    shelf = Shelf()
    at = 0
    kept = 0
    for number, body, alphabet, pause in came:
        at += pause
        kept += shelf.take(row(number, body, at=at, alphabet=alphabet)).keep
        rows = shelf.rows[KEY]
        assert len(rows) <= 3
        assert len({each.number for each in rows}) == len(rows)
    shelf.sweep(NOW + (at + SECONDS) * SECOND)
    assert sum(each.parts for each in shelf.texts) == kept
    for each in shelf.texts:
        each.text.encode()
        assert each.parts + len(each.missing) == 3

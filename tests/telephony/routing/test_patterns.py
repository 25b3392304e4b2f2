"""Users' patterns: linear time, bounds, and refusals that name construct and position."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.kernel.errors import InvalidRequest
from telephony.routing import patterns
from telephony.routing.patterns import MAX_PATTERN, MAX_PATTERNS, Pattern, PatternSet, pattern

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (r"^(\+49)\1$", "a backreference at character 8,"),
        (r"(?P<a>1)(?P=a)", "a backreference at character 9,"),
        (r"\+49(?=30)", "a look-ahead at character 5,"),
        (r"\+49(?!30)", "a look-ahead at character 5,"),
        (r"1(?<=2)", "a look-behind at character 2,"),
        (r"1(?<!2)", "a look-behind at character 2,"),
        (r"(?>12)", "an atomic group at character 1,"),
        (r"1++", "a possessive repetition at character 2,"),
        (r"(1)?(?(1)2|3)", "a condition at character 5,"),
        (r"1(?R)", "recursion at character 2,"),
        (r"1\Z", r"the escape \Z (write \z) at character 2,"),
        (r"[(?=](?=1)", "a look-ahead at character 6,"),
        (r"[]\1](?=1)", "a look-ahead at character 6,"),
        (r"\\1(?=1)", "a look-ahead at character 4,"),
        (r"12(3(4)", "The parenthesis at character 3 is not closed."),
        (r"12)3", "The parenthesis at character 3 is not opened."),
        (r"1[2", "missing ] at character 2: [2."),
        (r"1{1001}", "invalid repetition size at character 2: {1001}."),
        (r"12**", "bad repetition operator at character 3: **."),
        ("12\\", "trailing \\ at character 3."),
        ("1\ud800", "Character 2 is half a surrogate pair."),
        (r"\d{1000}\d{1000}", "It repeats too much: 2004 instructions, at most 2000."),
        ("", "It is empty."),
        ("1" * (MAX_PATTERN + 1), "It is longer than 256 characters."),
    ],
)
def test_a_pattern_that_cannot_be_taken_is_refused_with_construct_and_position(text: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        pattern(text, "routes[3].pattern")
    assert said in refused.value.message
    assert refused.value.message.startswith("routes[3].pattern: ")
    assert refused.value.target == "routes[3].pattern"


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="()[]{}*+?\\|^$.:=!<>P1234ad-&R#Zk", max_size=24))
def test_any_pattern_is_taken_or_refused_by_a_known_error(text: str) -> None:
    try:
        Pattern(text)
    except InvalidRequest as refused:
        assert refused.message.startswith("pattern: ")  # noqa: PT017 - either way is right


def test_a_pattern_is_searched_for_unless_it_is_anchored() -> None:
    assert Pattern("30").search("+4930123456")
    assert not Pattern("^30").search("+4930123456")
    assert Pattern(r"^\+49\d+6$").search("+4930123456")


def test_patterns_that_take_others_for_ever_take_no_time() -> None:
    evil = PatternSet([Pattern(text) for text in (r"^(\d+)+$", r"(\d*)*x", r"(1|11|111)+$", r"(.*.*.*)*y")])
    started = time.process_time()
    for _ in range(100):
        evil.matches("+" + "1" * 60 + "!")
    assert time.process_time() - started < 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from((r"^\+4", r"9$", "30", r"\d{9}", r"^\+(1|49)", "^$", "7.7")), max_size=12),
    st.from_regex(r"\+[0-9]{0,12}", fullmatch=True),
)
def test_a_set_finds_what_each_pattern_finds(texts: list[str], number: str) -> None:
    found = PatternSet([Pattern(text) for text in texts]).matches(number)
    assert found == [place for place, text in enumerate(texts) if re.search(text, number)]


def test_a_set_that_runs_out_of_memory_asks_each_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    found = PatternSet([Pattern("9"), Pattern("3")])

    class Exhausted:
        def Match(self, text: str) -> None:  # noqa: N802 - its name there
            return None

    monkeypatch.setattr(found, "_set", Exhausted())
    assert found.matches("+4930") == [0, 1]
    assert found.matches("+1") == []


def test_sets_have_bounds() -> None:
    with pytest.raises(InvalidRequest, match=f"{MAX_PATTERNS + 1} patterns, at most"):
        PatternSet([Pattern("1")] * (MAX_PATTERNS + 1))
    large = Pattern(r"\d{900}")
    with pytest.raises(InvalidRequest, match="too large together"):
        PatternSet([large] * (patterns.MAX_PROGRAMS // large.program + 1))

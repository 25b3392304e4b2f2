"""What receipts' ids may mean, and when there is no doubt left."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carriers.model.smpp import IdForm
from carriers.simulated.catalogue import PROFILES
from sms.receipt_forms import (
    FORMS,
    PAIRS,
    Hits,
    added,
    from_text,
    leading,
    learn,
    proves_itself,
    readings,
    same_party,
    tells_nothing,
    to_text,
)
from sms.receipts import match_id
from tests.support.promises import Report
from tests.support.scale import scale

pytestmark = pytest.mark.unit

PROFILE_FORMS: dict[str, IdForm] = {
    "receipt-ids-decimal": "decimal-to-hex",
    "receipt-ids-hex": "hex-to-decimal",
    "receipt-ids-padded": "same",
    "receipt-ids-stripped": "same",
    "receipt-ids-upper": "same",
    "receipt-ids-lower": "same",
    "receipt-ids-hex-padded": "hex-to-decimal",
    "receipt-ids-decimal-padded": "decimal-to-hex",
}


def hits(*forms: IdForm) -> Hits:
    return frozenset(forms)


def test_an_id_is_read_in_the_forms_it_can_have() -> None:
    assert readings("12") == {"same": "12", "hex-to-decimal": "18", "decimal-to-hex": "c"}
    assert readings("ab") == {"same": "ab", "hex-to-decimal": "171"}
    assert readings("msg-1") == {"same": "msg-1"}


@pytest.mark.parametrize(
    ("raw", "expected"), [("7", True), ("0", True), ("msg-1", True), ("10", False), ("a", False)]
)
def test_ids_that_every_form_reads_alike_prove_none(raw: str, expected: bool) -> None:
    assert tells_nothing(raw) is expected


def test_an_id_with_letters_that_names_a_part_as_it_stands_leaves_no_doubt() -> None:
    assert proves_itself("3fa9", hits("same"))
    assert not proves_itself("3fa9", hits("hex-to-decimal"))
    assert not proves_itself("3fa9", hits("same", "hex-to-decimal"))
    assert not proves_itself("3519", hits("same"))
    assert proves_itself("7", hits(*FORMS))
    assert not proves_itself("7", hits())


def test_twenty_pairs_that_no_other_form_has_are_enough() -> None:
    assert learn({hits("hex-to-decimal"): PAIRS}) == "hex-to-decimal"
    assert learn({hits("hex-to-decimal"): PAIRS - 1}) is None


def test_pairs_that_fit_every_form_prove_none() -> None:
    assert learn({hits(*FORMS): 1000}) is None
    assert learn({hits(*FORMS): 15, hits("same"): 5}) is None
    assert learn({hits(*FORMS): 10, hits("same"): 10}) == "same"


def test_what_speaks_for_another_form_is_outweighed_or_nothing_is_learned() -> None:
    assert learn({hits("same"): 20, hits("decimal-to-hex"): 1}) == "same"
    assert learn({hits("same"): 20, hits("decimal-to-hex"): 2}) is None
    assert learn({hits("same"): 50, hits("decimal-to-hex"): 50}) is None


def test_a_form_that_has_most_pairs_leads() -> None:
    assert leading({}) == set(FORMS)
    assert leading({hits("same"): 3, hits("same", "hex-to-decimal"): 1}) == {"same"}


@given(st.dictionaries(st.frozensets(st.sampled_from(FORMS), min_size=1), st.integers(1, 1000), max_size=7))
def test_pairs_are_kept_as_text(pairs: dict[Hits, int]) -> None:
    assert from_text(to_text(pairs)) == pairs


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (("12065550100", "14255550199"), True),
        (("14255550199", "12065550100"), True),
        (("2065550100", ""), True),
        (("0012065550100",), True),
        (("12065550101", "14255550199"), False),
        (("", "ACME"), None),
        ((), None),
    ],
)
def test_the_recipient_is_known_in_whatever_spelling(addresses: tuple[str, ...], expected: bool) -> None:
    assert same_party(addresses, "+12065550100") is expected


@pytest.mark.promise("R17")
@pytest.mark.parametrize("name", PROFILE_FORMS)
def test_ids_in_each_form_name_the_part_they_are_of_and_auto_learns_it(name: str, promise: Report) -> None:
    """From the smallest ids, many of which name another part in the wrong form, to those of 64 bits.

    Each part is known when its receipt comes, and so are all before it and a hundred behind it.
    """
    profile, form, random = PROFILES[name], PROFILE_FORMS[name], Random(17)
    count = scale(2_000, 100_000)
    numbers = list(range(1, count // 2 + 1)) + random.sample(range(2**40, 2**63), count - count // 2)
    parts: dict[str, int] = {}
    wrong = unmatched = 0
    pairs: dict[Hits, int] = {}
    learned: IdForm | None = None
    learned_after = 0
    for index, number in enumerate(numbers):
        for one in numbers[len(parts) : index + 100]:
            parts[match_id(profile.response_id.spell(one))] = one
        raw = match_id(profile.receipt_id.spell(number))
        found = parts.get(match_id(raw, form))
        wrong += found is not None and found != number
        unmatched += found is None
        if learned is None:
            learned_after += 1
            some = frozenset(one for one, spelled in readings(raw).items() if spelled in parts)
            pairs = added(pairs, [some])
            learned = learn(pairs)
            if proves_itself(raw, some):
                (certain,) = {parts[spelled] for spelled in readings(raw).values() if spelled in parts}
                wrong += certain != number
    promise(receipts=count, unmatched=unmatched, wrong=wrong, learned_after=learned_after)
    assert (learned, wrong, unmatched) == (form, 0, 0)
    assert len(parts) == count

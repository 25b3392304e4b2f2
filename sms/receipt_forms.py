"""Learning how a carrier spells the ids in its receipts. Pure.

A receipt's id can be read in up to three ways (`readings`). A reading that names a part we sent is a hit; the
receipts that have any are pairs, and what each kind of pair is worth stands in `learn`. Ids that every form
reads alike need no learning; whatever else is in doubt waits.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final

from carriers.model.smpp import IdForm
from sms.receipts import match_id

FORMS: Final[tuple[IdForm, ...]] = ("same", "hex-to-decimal", "decimal-to-hex")

PAIRS: Final = 20
"""Pairs that a form needs before it is taken for the carrier's."""

TELLING: Final = PAIRS // 2
"""Of those, pairs that each other form does not have: by the others alone it could as well be that one."""

TOLERANCE: Final = 20
"""So many pairs for a form outweigh one against it: an id that names a part in the wrong form by chance,
while the part that is meant is unknown because its response was lost."""

TAIL: Final = 7
"""Digits from the end by which two spellings of a number are compared: what goes before varies (+, 00, trunk
prefix, country), these do not."""

_HEX: Final = re.compile(r"[0-9a-f]+")
_LETTER: Final = re.compile(r"[a-f]")
_DIGITS: Final = re.compile(r"[0-9]+")
_OTHER: Final = re.compile(r"[^0-9]+")

Hits = frozenset[IdForm]
"""The forms in which one receipt's id names a part."""

Pairs = Mapping[Hits, int]
"""How many receipts had which hits."""


def readings(raw: str) -> dict[IdForm, str]:
    """Return what an id (`match_id`) may be as a response's, by form; forms it cannot have are left out."""
    found: dict[IdForm, str] = {"same": raw}
    if _HEX.fullmatch(raw):
        found["hex-to-decimal"] = match_id(raw, "hex-to-decimal")
    if _DIGITS.fullmatch(raw):
        found["decimal-to-hex"] = match_id(raw, "decimal-to-hex")
    return found


def tells_nothing(raw: str) -> bool:
    """Tell whether every form reads an id alike, so that a hit needs no form and proves none."""
    return len(set(readings(raw).values())) == 1


def proves_itself(raw: str, hits: Hits) -> bool:
    """Tell whether the hits of an id leave no doubt although the form is not known.

    When every form reads it alike; and when it has hexadecimal letters and names a part as it stands: the
    response had them too, so neither of the two was decimal.
    """
    return bool(hits) and (tells_nothing(raw) or (hits == {"same"} and _LETTER.search(raw) is not None))


def same_party(addresses: Iterable[str], peer: str) -> bool | None:
    """Tell whether a receipt's addresses have the recipient; None when they have no digits to tell by.

    Carriers name the recipient as source, as SMPP has it, or as destination.
    """
    tails = {tail for address in addresses if (tail := _tail(address))}
    return _tail(peer) in tails if tails else None


def learn(pairs: Pairs) -> IdForm | None:
    """Return the form that the pairs leave no doubt about, or None."""
    for form in FORMS:
        if _count(pairs, form) >= PAIRS and all(
            _clear(pairs, form, other) for other in FORMS if other != form
        ):
            return form
    return None


def leading(pairs: Pairs) -> Hits:
    """Return the forms that have most pairs; all when there are none."""
    counts = {form: _count(pairs, form) for form in FORMS}
    most = max(counts.values())
    return frozenset(form for form, count in counts.items() if count == most)


def added(pairs: Pairs, hits: Iterable[Hits]) -> dict[Hits, int]:
    """Return the pairs with those of more receipts; no hits are no pair."""
    result = dict(pairs)
    for one in hits:
        if one:
            result[one] = result.get(one, 0) + 1
    return result


def counted(pairs: Pairs) -> dict[str, int]:
    """Return how many pairs each form has: what people and the store are told."""
    return {form: _count(pairs, form) for form in FORMS}


def to_text(pairs: Pairs) -> dict[str, int]:
    """Return the pairs with texts as keys, for JSON."""
    return {
        "+".join(sorted(hits)): count for hits, count in sorted(pairs.items(), key=lambda one: sorted(one[0]))
    }


def from_text(kept: Mapping[str, int]) -> dict[Hits, int]:
    """Return the pairs that `to_text` made texts of."""
    return {frozenset(form for form in FORMS if form in key.split("+")): count for key, count in kept.items()}


def _clear(pairs: Pairs, form: IdForm, other: IdForm) -> bool:
    """Tell whether enough pairs are for `form` and not for `other`, and next to none the other way round."""
    telling = sum(count for hits, count in pairs.items() if form in hits and other not in hits)
    against = sum(count for hits, count in pairs.items() if other in hits and form not in hits)
    return telling >= TELLING and against * TOLERANCE <= telling


def _count(pairs: Pairs, form: IdForm) -> int:
    return sum(count for hits, count in pairs.items() if form in hits)


def _tail(address: str) -> str:
    return _OTHER.sub("", address)[-TAIL:]

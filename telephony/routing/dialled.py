"""Numbers as callers write them, read into E.164, so that no spelling gets around a rule (R30).

A number is either read into exactly one number in E.164 or refused by name. What is read once reads the same
again. Forms: RFC 3966 (tel), RFC 3261 §19.1.1 (the user part of sip), and what people type.
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_to_bytes

import phonenumbers
from phonenumbers import NumberParseException, PhoneMetadata, PhoneNumberFormat, ValidationResult

from telephony.kernel.e164 import E164, parse_e164

MAX_WRITTEN: Final = 256
"""Characters of a spelling: what R6 gives a SIP URI."""

REMEMBERED: Final = 5_000
"""Spellings kept with what they mean, at most a kilobyte or two each: reading one takes 30 µs and more."""

_SCHEMES: Final = ("tel:", "sips:", "sip:")
_PLUSES: Final = frozenset("+\uff0b\ufe62\u207a")  # fullwidth, small, superscript
_SEPARATORS: Final = frozenset("()[]./~\u00b7\u2212\uff08\uff09\uff3b\uff3d\uff0e\uff0f\uff5e")
_DROPPED: Final = frozenset({"Pd", "Zs", "Cf"})
"""Dashes, spaces, and characters that are not seen: copied text often has marks of direction."""

_TURNS: Final = 3
"""How often the national prefix is looked for: one that is written twice is refused."""


class Unreadable(StrEnum):
    """Why a spelling is no number; the value is the sentence that people see."""

    EMPTY = "There are no digits."
    LONG = f"It is longer than {MAX_WRITTEN} characters."
    CHARACTER = "It has a character that no number has."
    ESCAPE = "Its percent escapes are not UTF-8, or escape a percent sign."
    CONTEXT = "Its phone-context is no country."
    PLUS = "It has a plus within."
    NATIONAL = "It is not in international form: it begins with neither plus nor international prefix."
    COUNTRY_CODE = "No country has this code."
    TOO_SHORT = "It is too short for its country."
    TOO_LONG = "It is too long for its country."
    UNCLEAR = "It reads differently each time."


@dataclass(frozen=True, slots=True)
class DialPlan:
    """How numbers are dialled where they come from."""

    country: str = ""
    """ISO 3166 code of the country that numbers without plus or prefix are of; empty: these are refused."""
    international: tuple[str, ...] = ("00",)
    """What stands for the plus."""
    tech_prefixes: tuple[str, ...] = ()
    """What may stand in front of everything and is taken off, once. The rest is an international number."""
    bare: bool = False
    """Whether digits with nothing in front are international already; `country` goes first."""


ANYWHERE: Final = DialPlan()
"""Plus or 00, then country code."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was done to a spelling, and what it was afterwards."""

    what: str
    text: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A spelling, read: either `number` or `refusal` is set."""

    written: str
    """The original, as it came."""
    number: E164 | None
    refusal: Unreadable | None
    steps: tuple[Step, ...]


class _Refused(Exception):
    def __init__(self, why: Unreadable) -> None:
        super().__init__(why)
        self.why = why


class _Steps:
    """The text and how it became what it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.taken: list[Step] = []

    def now(self, what: str, text: str) -> None:
        if text != self.text:
            self.text = text
            self.taken.append(Step(what, text))


@lru_cache(maxsize=REMEMBERED)
def read(written: str, plan: DialPlan = ANYWHERE) -> Reading:
    """Return what a spelling means under a dial plan. Raises nothing."""
    if len(written) > MAX_WRITTEN:
        return Reading(written[:MAX_WRITTEN], None, Unreadable.LONG, ())
    if parse_e164(written) and not plan.tech_prefixes and _is_plain(written):
        return Reading(written, E164(written), None, ())
    steps = _Steps(written)
    try:
        number = _read(steps, plan)
    except _Refused as refused:
        return Reading(written, None, refused.why, tuple(steps.taken))
    return Reading(written, number, None, tuple(steps.taken))


def _read(steps: _Steps, plan: DialPlan) -> E164:
    context = _take_uri_apart(steps)
    steps.now("percent escapes", _unescaped(steps.text))
    steps.now("digits alone", _folded(steps.text))
    if not any(character.isdigit() for character in steps.text):
        raise _Refused(Unreadable.EMPTY)
    behind_tech_prefix = _take_tech_prefix(steps, plan)
    _make_international(steps, plan, context, behind_tech_prefix)
    if not steps.text[1:].isdigit():
        raise _Refused(Unreadable.PLUS if "+" in steps.text[1:] else Unreadable.CHARACTER)
    for _ in range(_TURNS):
        number = _of_its_country(steps.text)
        if number == steps.text:
            return number
        steps.now("national prefix taken off", number)
    raise _Refused(Unreadable.UNCLEAR)


@lru_cache(maxsize=1000)
def _numbering(head: str) -> tuple[int, frozenset[int], re.Pattern[str] | None] | None:
    """Return what there is to know of the country code that a number begins with: how many characters it is
    with its plus, how long its numbers may be, and how their national prefix begins; None: there is none."""
    for size in (2, 3, 4):
        regions = phonenumbers.COUNTRY_CODE_TO_REGION_CODE.get(int(head[1:size]))
        if regions is not None:
            known = PhoneMetadata.metadata_for_region_or_calling_code(int(head[1:size]), regions[0])
            if known is None or known.general_desc is None:
                return None
            lengths = frozenset(known.general_desc.possible_length)
            prefix = known.national_prefix_for_parsing
            return size, lengths, None if prefix is None else re.compile(prefix)
    return None


def _is_plain(number: str) -> bool:
    """Tell whether a number in E.164 is whole and has no national prefix: most are, and need no more."""
    found = _numbering(number[:4])
    if found is None:
        return False
    size, lengths, prefix = found
    national = number[size:]
    return len(national) in lengths and (prefix is None or prefix.match(national) is None)


def _take_uri_apart(steps: _Steps) -> str:
    """Leave the number of a URI; return its phone-context, or nothing."""
    text = steps.text.strip()
    scheme = next((each for each in _SCHEMES if text[: len(each)].lower() == each), "")
    text = text[len(scheme) :]
    if scheme.startswith("sip"):
        text = text.partition("@")[0]
    text, *parameters = text.split(";")
    steps.now("scheme, host and parameters taken off", text)
    contexts = [
        value
        for name, _, value in (each.partition("=") for each in parameters)
        if name.strip().lower() == "phone-context"
    ]
    if len(contexts) > 1:
        raise _Refused(Unreadable.CONTEXT)
    return contexts[0] if contexts else ""


def _unescaped(text: str) -> str:
    """Decode percent escapes, once: who decodes twice reads another number than whoever checked it."""
    if "%" not in text:
        return text
    try:
        decoded = unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise _Refused(Unreadable.ESCAPE) from None
    if "%" in decoded:
        raise _Refused(Unreadable.ESCAPE)
    return decoded


def _folded(text: str) -> str:
    """Return plus, digits, stars and hashes in ASCII, without what people put between digits."""
    kept = []
    for character in text:
        if character in _PLUSES:
            kept.append("+")
        elif character in "*#":
            kept.append(character)
        elif (digit := unicodedata.decimal(character, None)) is not None:
            kept.append(str(digit))
        elif not (
            character in _SEPARATORS or character.isspace() or unicodedata.category(character) in _DROPPED
        ):
            raise _Refused(Unreadable.CHARACTER)
    return "".join(kept)


def _take_tech_prefix(steps: _Steps, plan: DialPlan) -> bool:
    for prefix in plan.tech_prefixes:
        if steps.text.startswith(prefix):
            steps.now(f"tech prefix {prefix} taken off", steps.text[len(prefix) :])
            return True
    return False


def _make_international(steps: _Steps, plan: DialPlan, context: str, behind_tech_prefix: bool) -> None:
    text = steps.text
    if text.startswith("+"):
        return
    if context:
        steps.now("phone-context put in front", _context(context) + text)
        return
    for prefix in plan.international:
        if text.startswith(prefix):
            steps.now(f"{prefix} is a plus", "+" + text[len(prefix) :])
            return
    if behind_tech_prefix or (plan.bare and not plan.country):
        steps.now("is international", "+" + text)
    elif plan.country:
        code = phonenumbers.country_code_for_region(plan.country)
        if not code:
            raise _Refused(Unreadable.NATIONAL)
        steps.now(f"is of {plan.country}", f"+{code}{text}")
    else:
        raise _Refused(Unreadable.NATIONAL)


def _context(value: str) -> str:
    """Return the digits of a phone-context (RFC 3966 §5.1.5): one that is a domain tells us nothing."""
    try:
        digits = _folded(_unescaped(value.strip()))
    except _Refused:
        raise _Refused(Unreadable.CONTEXT) from None
    if not digits.startswith("+") or not digits[1:].isdigit() or len(digits) > 8:
        raise _Refused(Unreadable.CONTEXT)
    return digits


_LENGTHS: Final = {
    ValidationResult.TOO_SHORT: Unreadable.TOO_SHORT,
    ValidationResult.IS_POSSIBLE_LOCAL_ONLY: Unreadable.TOO_SHORT,
    ValidationResult.TOO_LONG: Unreadable.TOO_LONG,
    ValidationResult.INVALID_LENGTH: Unreadable.TOO_SHORT,
    ValidationResult.INVALID_COUNTRY_CODE: Unreadable.COUNTRY_CODE,
}

_UNPARSED: Final = {
    NumberParseException.INVALID_COUNTRY_CODE: Unreadable.COUNTRY_CODE,
    NumberParseException.TOO_LONG: Unreadable.TOO_LONG,
}


def _of_its_country(text: str) -> E164:
    """Return a number without the national prefix that may stand behind the country code.

    Many networks take that prefix off, so `+490900…` reaches what `+49900…` reaches.
    """
    try:
        parsed = phonenumbers.parse(text, None)
    except NumberParseException as error:
        raise _Refused(_UNPARSED.get(error.error_type, Unreadable.TOO_SHORT)) from None
    why = phonenumbers.is_possible_number_with_reason(parsed)
    if why != ValidationResult.IS_POSSIBLE:
        raise _Refused(_LENGTHS.get(why, Unreadable.TOO_SHORT))
    number = parse_e164(phonenumbers.format_number(parsed, PhoneNumberFormat.E164))
    if number is None:
        raise _Refused(Unreadable.TOO_SHORT if len(text) < 9 else Unreadable.TOO_LONG)
    return number


@lru_cache(maxsize=REMEMBERED)
def country_of(number: E164) -> str:
    """Return the ISO 3166 code of a number's country; `001` of what is no country's, empty when unknown.

    A number that is in no range of a country that shares its code counts as the code's main country's.
    """
    try:
        parsed = phonenumbers.parse(number, None)
    except NumberParseException:
        return ""
    found = phonenumbers.region_code_for_number(parsed)
    return found or phonenumbers.region_code_for_country_code(parsed.country_code or 0).replace("ZZ", "")

"""How a carrier writes numbers, in both directions, by rules that are data. Pure.

What goes out is made from E.164; what comes in is read back into it, and the original is kept beside it.
"""

from typing import Annotated, Final, Literal

import phonenumbers
from msgspec import Meta, Struct

from telephony.routing.dialled import DialPlan, Reading, read

MAX_RULES: Final = 100
"""Rules of one direction: what carriers ask for are a handful."""

Form = Literal["e164", "digits", "international", "national"]
"""`e164`: +4930…; `digits`: 4930…; `international`: 004930…; `national`: 030…, other countries' 0043…."""

Dialled = Annotated[str, Meta(pattern=r"^[0-9*#+]{0,32}$")]
"""What a telephone can dial."""

Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$")]
"""ISO 3166 code."""


class DigitRule(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """Replaces the beginning of a number."""

    begins: Dialled = ""
    """What the number has to begin with; empty: anything."""
    strip: Annotated[int, Meta(ge=0, le=32)] = 0
    """How many characters are taken off in front."""
    add: Dialled = ""
    """What is put in front then."""


class NumberFormat(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """How numbers are written in one direction."""

    form: Form = "digits"
    """The form before the rules."""
    country: Country | None = None
    """Whose numbers `national` writes without the country code."""
    international_prefix: Dialled = "00"
    """What stands for the plus in `international`, and in `national` before other countries' numbers."""
    national_prefix: Dialled = ""
    """What stands before a national number: 0 in Germany, nothing in Italy or the USA."""
    rules: Annotated[tuple[DigitRule, ...], Meta(max_length=MAX_RULES)] = ()
    """The first one that fits is applied."""
    tech_prefix: Dialled = ""
    """What stands before everything."""

    def __post_init__(self) -> None:
        if self.form == "national" and not self.country:
            raise ValueError("country: national numbers need it")
        if self.country and not phonenumbers.country_code_for_region(self.country):
            raise ValueError(f"country: {self.country} has no country code")


class NumberFormats(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """How a carrier writes numbers."""

    destination: NumberFormat = NumberFormat()
    """Whom we call or write to."""
    sender: NumberFormat = NumberFormat()
    """Who we are, when that is a number; names and short codes stay as they are."""
    inbound: NumberFormat = NumberFormat()
    """Both parties of what comes in; its rules are applied first."""


_DIGITS: Final = NumberFormat()

USUAL: Final = NumberFormats(destination=_DIGITS, sender=_DIGITS, inbound=_DIGITS)
"""Digits with the country code in front, as most want them."""


def written(number: str, form: NumberFormat) -> str:
    """Return a number in E.164 as a carrier wants it; what is not in E.164 stays as it is."""
    if not number.startswith("+"):
        return number
    if form is _DIGITS:
        return number[1:]
    text = _formed(number, form)
    for rule in form.rules:
        if text.startswith(rule.begins):
            text = rule.add + text[rule.strip :]
            break
    return form.tech_prefix + text


def taken(text: str, form: NumberFormat) -> Reading:
    """Return what a number that a carrier wrote means; `written` in it is what came."""
    digits = text.removeprefix(form.tech_prefix)
    for rule in form.rules:
        if digits.startswith(rule.begins):
            digits = rule.add + digits[rule.strip :]
            break
    reading = read(digits, plan_of(form))
    return reading if digits == text else Reading(text, reading.number, reading.refusal, reading.steps)


def plan_of(form: NumberFormat) -> DialPlan:
    """Return how numbers of a form are read."""
    return DialPlan(
        country=form.country or "" if form.form == "national" else "",
        international=(form.international_prefix,) if form.international_prefix else (),
        bare=form.form in ("digits", "e164"),
    )


def _formed(number: str, form: NumberFormat) -> str:
    if form.form == "e164":
        return number
    if form.form == "digits":
        return number[1:]
    if form.form == "national":
        code = f"+{phonenumbers.country_code_for_region(form.country or '')}"
        if number.startswith(code):
            return form.national_prefix + number[len(code) :]
    return form.international_prefix + number[1:]

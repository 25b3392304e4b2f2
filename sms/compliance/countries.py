"""Rules by the recipient's country: which kinds of sender it takes, and at which hours. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sms.compliance.hours import next_allowed
from sms.compliance.settings import CountrySettings, SenderKind
from telephony.kernel.e164 import is_short_code

CODE: Final = "SenderNotAllowed"
"""The code of a refusal."""

_NAMES: Final[dict[SenderKind, str]] = {
    "e164": "phone numbers",
    "short-code": "short codes",
    "alphanumeric": "alphanumeric senders",
}


@dataclass(frozen=True, slots=True)
class _Country:
    code: str
    settings: CountrySettings
    denied: frozenset[str]


class Countries:
    """The rules; falsy when there are none, so that nobody has to find out a number's country."""

    def __init__(self, settings: Mapping[str, CountrySettings]) -> None:
        self._countries = {
            code: _Country(code, one, frozenset(sender.casefold() for sender in one.denied_senders))
            for code, one in settings.items()
        }

    def __bool__(self) -> bool:
        return bool(self._countries)

    def refusal(self, sender: str, to: str) -> str | None:
        """Return why a sender cannot reach a recipient (E.164), in words, or None when it may."""
        country = self._of(to)
        if country is None:
            return None
        kind = sender_kind(sender)
        if not country.settings.senders:
            return f"Nothing may be sent to {country.code}."
        if kind not in country.settings.senders:
            return f"{country.code} takes no texts from {_NAMES[kind]}."
        if sender.casefold() in country.denied:
            return f"{country.code} takes no texts from this sender."
        return None

    def not_before(self, to: str, now: int) -> int | None:
        """Return when a recipient may be sent to (microseconds UTC), or None when that is now."""
        country = self._of(to)
        if country is None or not country.settings.hours:
            return None
        zones = (country.settings.zone,) if country.settings.zone else zones_of(to)
        return next_allowed(country.settings.hours, zones, now)

    def _of(self, to: str) -> _Country | None:
        return self._countries.get(country_of(to)) if self._countries else None


def sender_kind(sender: str) -> SenderKind:
    """Return what a sender is."""
    if sender.startswith("+"):
        return "e164"
    return "short-code" if is_short_code(sender) else "alphanumeric"


@lru_cache(maxsize=20_000)
def country_of(number: str) -> str:
    """Return the ISO 3166 code of a number's country; empty when it has none."""
    import phonenumbers  # a tenth of a second to import: only those with rules wait for it

    try:
        return phonenumbers.region_code_for_number(phonenumbers.parse(number)) or ""
    except phonenumbers.NumberParseException:
        return ""


@lru_cache(maxsize=20_000)
def zones_of(number: str) -> tuple[str, ...]:
    """Return the names of the time zones in which a number may be."""
    import phonenumbers
    from phonenumbers import timezone

    try:
        return tuple(timezone.time_zones_for_number(phonenumbers.parse(number)))
    except phonenumbers.NumberParseException:
        return ()

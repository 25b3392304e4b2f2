"""What an operator may set about compliance."""

import re
from collections.abc import Iterator
from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

SenderKind = Literal["e164", "short-code", "alphanumeric"]

MAX_WORD: Final = 32
"""Characters of a word: OPTOUT has six, the longest in use under twenty."""

Word = Annotated[str, Meta(min_length=1, max_length=MAX_WORD)]
WordList = Annotated[tuple[Word, ...], Meta(max_length=100)]
ReplyText = Annotated[str, Meta(max_length=1000)]

_HOURS: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]|24):([0-5]\d)", re.ASCII)


class LanguageWords(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The words of one more language; a reply is in the language of the word that it answers."""

    stop: WordList = ()
    """Words that opt the sender out."""
    start: WordList = ()
    """Words that undo it."""
    help: WordList = ()
    """Words that ask for help."""
    stop_reply: ReplyText = ""
    """Answer to the first; empty: none."""
    start_reply: ReplyText = ""
    """Answer to the second; empty: none."""
    help_reply: ReplyText = ""
    """Answer to the third; empty: none."""


class CountrySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What recipients of one country may be sent, and when."""

    senders: tuple[SenderKind, ...] = ("e164", "short-code", "alphanumeric")
    """Kinds of sender that the country takes; an empty list lets nothing through."""
    denied_senders: Annotated[tuple[Annotated[str, Meta(max_length=16)], ...], Meta(max_length=1000)] = ()
    """Single senders that it does not take; letters' case does not matter."""
    hours: str = ""
    """When texts may arrive, in the recipient's own time: `08:00-21:00`. Empty: always. Texts sent at other
    times wait until then."""
    zone: str = ""
    """Time zone of the country (`Europe/Berlin`). Empty: told from the number."""

    def __post_init__(self) -> None:
        if self.hours:
            parse_hours(self.hours)
        if self.zone:
            from zoneinfo import ZoneInfo

            try:
                ZoneInfo(self.zone)
            except (ValueError, OSError, LookupError):
                raise ValueError(
                    f"zone: expected a name of the IANA time zones, such as Europe/Berlin, got {self.zone!r}"
                ) from None


class ComplianceSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Opt-out words and their answers; rules by country.

    The words here are English; `languages` adds others. A text counts when it is exactly a word, whatever the
    case and the space around it.
    """

    enabled: bool = True
    """Whether words in inbound texts do anything. Opt-outs by the API hold either way."""
    stop: WordList = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT")
    """Words that opt the sender out of the number they were sent to."""
    start: WordList = ("START", "UNSTOP", "YES")
    """Words that undo it."""
    help: WordList = ("HELP", "INFO")
    """Words that ask for help."""
    stop_reply: ReplyText = (
        "You are opted out and will get no more messages from this number. Reply START to get them again."
    )
    """Answer to an opt-out; empty: none."""
    start_reply: ReplyText = "You will get messages from this number again. Reply STOP to opt out."
    """Answer to whoever was opted out and comes back; empty: none."""
    help_reply: ReplyText = "Reply STOP to get no more messages from this number, START to get them again."
    """Answer to a word that asks for help; empty: none."""
    languages: dict[str, LanguageWords] = {}
    """More words, by language."""
    replies_an_hour: Annotated[int, Meta(ge=0, le=1000)] = 5
    """Automatic answers that one of our numbers gives one other number in an hour: two that answer each other
    by themselves stop there."""
    replies_a_day: Annotated[int, Meta(ge=0, le=10_000)] = 10
    """The same in a day."""
    countries: dict[str, CountrySettings] = {}
    """Rules by the recipient's country (`US`, `DE`); countries not named have none."""

    def __post_init__(self) -> None:
        seen: dict[str, str] = {}
        for place, words in self.word_lists():
            for word in words:
                key = normal(word)
                if not key:
                    raise ValueError(f"{place}: expected words, got one of spaces")
                if seen.setdefault(key, place) != place:
                    raise ValueError(f"{place}: {word} stands in {seen[key]} already")
        if self.countries:
            from phonenumbers import SUPPORTED_REGIONS

            unknown = sorted(set(self.countries) - SUPPORTED_REGIONS)
            if unknown:
                raise ValueError(f"countries: expected ISO 3166 codes such as US, got {', '.join(unknown)}")

    def word_lists(self) -> Iterator[tuple[str, WordList]]:
        """Return every list of words and where it stands."""
        yield from (("stop", self.stop), ("start", self.start), ("help", self.help))
        for language, words in self.languages.items():
            yield f"languages.{language}.stop", words.stop
            yield f"languages.{language}.start", words.start
            yield f"languages.{language}.help", words.help


def normal(text: str) -> str:
    """Return a text as words are compared: without the space around it, whatever the case."""
    return text.strip().casefold()


def parse_hours(text: str) -> tuple[int, int]:
    """Return the minutes of the day at which hours begin and end; the end may be the smaller one.

    Raises ValueError.
    """
    found = _HOURS.fullmatch(text)
    if found is not None:
        begin, end = (int(found[at]) * 60 + int(found[at + 1]) for at in (1, 3))
        if begin != end and end <= 24 * 60:
            return begin, end
    raise ValueError(f"hours: expected a time of day and a later one, such as 08:00-21:00, got {text!r}")

"""Which texts are words that mean something to the gateway itself. Pure."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from sms.compliance.settings import MAX_WORD, ComplianceSettings, LanguageWords, normal
from telephony.kernel.ids import InteractionId, ResourceId

_MAX_SPACE: Final = 64
"""Characters a text may have beyond a word's: what is longer is not looked at."""


class Meaning(Enum):
    """What a word asks for. The values stand in the store."""

    STOP = "stop"
    START = "start"
    HELP = "help"


@dataclass(frozen=True, slots=True)
class Word:
    """A word, what it asks for, and how it is answered."""

    meaning: Meaning
    spelled: str
    reply: str
    """Empty: not at all."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word that came in."""

    word: Word
    resource: ResourceId
    id: InteractionId
    """The message it came in."""
    at: int
    own: str
    peer: str
    carrier: str
    """Whose the number is that was written to: the answer goes out there."""


class Words:
    """The words of every language."""

    def __init__(self, settings: ComplianceSettings) -> None:
        self._words: dict[str, Word] = {}
        if settings.enabled:
            self._add(settings)
            for words in settings.languages.values():
                self._add(words)

    def _add(self, group: ComplianceSettings | LanguageWords) -> None:
        for meaning, words, reply in (
            (Meaning.STOP, group.stop, group.stop_reply),
            (Meaning.START, group.start, group.start_reply),
            (Meaning.HELP, group.help, group.help_reply),
        ):
            for word in words:
                self._words.setdefault(normal(word), Word(meaning, word.strip().upper(), reply))

    def find(self, text: str) -> Word | None:
        """Return the word that a text is, or None when it is anything else."""
        return self._words.get(normal(text)) if len(text) <= MAX_WORD + _MAX_SPACE else None

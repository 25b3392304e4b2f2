"""Words that mean something to the gateway itself."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sms.compliance.settings import ComplianceSettings, LanguageWords
from sms.compliance.words import Meaning, Words

pytestmark = pytest.mark.unit

STOP = ("STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "REVOKE", "OPTOUT")
START = ("START", "UNSTOP", "YES")
HELP = ("HELP", "INFO")

GERMAN = LanguageWords(stop=("STOPP", "Abmelden"), start=("Straße",), stop_reply="Abgemeldet.")


def meaning(text: str, settings: ComplianceSettings | None = None) -> Meaning | None:
    found = Words(settings or ComplianceSettings()).find(text)
    return None if found is None else found.meaning


@pytest.mark.parametrize("word", STOP)
def test_words_that_opt_out(word: str) -> None:
    assert meaning(word) is Meaning.STOP


@pytest.mark.parametrize("word", START)
def test_words_that_undo_it(word: str) -> None:
    assert meaning(word) is Meaning.START


@pytest.mark.parametrize("word", HELP)
def test_words_that_ask_for_help(word: str) -> None:
    assert meaning(word) is Meaning.HELP


@pytest.mark.parametrize(
    "text", ["stop", "Stop", " sToP ", "\r\nSTOP\r\n", "\u00a0stop\t", " " * 40 + "stop"]
)
def test_case_and_the_space_around_do_not_matter(text: str) -> None:
    assert meaning(text) is Meaning.STOP


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "STOP.",
        "STOP it",
        "please stop",
        "S T O P",
        "stopp",
        "yess",
        "STOPSTOP",
        "ＳＴＯＰ",
        "0",
        "stop" + " " * 4096,
    ],
)
def test_anything_but_exactly_a_word_is_an_ordinary_text(text: str) -> None:
    assert meaning(text) is None


def test_other_languages_have_their_own_words_and_answers() -> None:
    words = Words(ComplianceSettings(languages={"de": GERMAN}))
    found = words.find("abmelden")
    assert found is not None
    assert (found.meaning, found.spelled, found.reply) == (Meaning.STOP, "ABMELDEN", "Abgemeldet.")
    started = words.find("STRASSE")
    assert started is not None
    assert (started.meaning, started.reply) == (Meaning.START, "")
    english = words.find("stop")
    assert english is not None
    assert english.reply == ComplianceSettings().stop_reply


def test_lists_may_be_replaced() -> None:
    settings = ComplianceSettings(stop=("GENUG",), help=())
    assert meaning("genug", settings) is Meaning.STOP
    assert meaning("stop", settings) is None
    assert meaning("help", settings) is None


def test_nothing_is_a_word_when_it_is_switched_off() -> None:
    assert meaning("stop", ComplianceSettings(enabled=False)) is None


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"stop": ["YES"]}, "start: YES stands in stop already"),
        ({"languages": {"de": {"help": ["stop"]}}}, "languages.de.help: stop stands in stop already"),
        ({"stop": [" "]}, "stop: expected words"),
        ({"countries": {"XX": {}}}, "countries: expected ISO 3166 codes such as US, got XX"),
        ({"countries": {"us": {}}}, "got us"),
        ({"countries": {"US": {"hours": "8-21"}}}, "hours: expected"),
        ({"countries": {"US": {"hours": "08:00-08:00"}}}, "hours: expected"),
        ({"countries": {"US": {"hours": "08:00-24:01"}}}, "hours: expected"),
        ({"countries": {"US": {"zone": "Mars/Olympus"}}}, "zone: expected"),
        ({"countries": {"US": {"zone": "../../etc/passwd"}}}, "zone: expected"),
        ({"countries": {"US": {"senders": ["fax"]}}}, "fax"),
        ({"replies_an_hour": -1}, "replies_an_hour"),
    ],
)
def test_settings_that_cannot_be_used_are_told_at_their_place(fields: object, complaint: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=complaint.replace(".", r"\.")):
        msgspec.convert(fields, ComplianceSettings)


def test_the_default_words_are_distinct_and_the_defaults_valid() -> None:
    assert len({word for _, words in ComplianceSettings().word_lists() for word in words}) == len(
        STOP + START + HELP
    )


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    found = Words(ComplianceSettings()).find(text)
    assert found is None or text.strip().upper() == found.spelled

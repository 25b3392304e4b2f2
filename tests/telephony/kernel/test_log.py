"""Logs: what they look like, and what is never in them."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog

from telephony.kernel.log import HIDDEN, MAX_TEXT, LogSettings, configure, protect
from telephony.kernel.secret import Secret

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)


def written(**settings: Any) -> tuple[io.StringIO, Any]:
    stream = io.StringIO()
    configure(msgspec.convert(settings, LogSettings), stream=stream)
    return stream, structlog.get_logger("test")


def test_an_event_is_one_json_object_with_its_ids() -> None:
    stream, log = written(format="json")
    structlog.contextvars.bind_contextvars(message="0197")
    log.info("sms.accepted", resource="r1", parts=2)
    line = json.loads(stream.getvalue())
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "sms.accepted", "level": "info", "message": "0197", "resource": "r1", "parts": 2}


def test_numbers_are_shortened_in_known_fields_wherever_they_stand() -> None:
    event = protect(
        None,
        "info",
        {
            "to": "+14255550123",
            "recipients": ["+14255550123", "4711"],
            "detail": {"from": "14255550123"},
            "id": "14255550123",
        },
    )
    assert event == {
        "to": "+1425*****23",
        "recipients": ["+1425*****23", "4711"],
        "detail": {"from": "14255****23"},
        "id": "14255550123",
    }


def test_secrets_are_hidden_by_type_and_by_name() -> None:
    event = protect(
        None, "info", {"bind": Secret("sesame"), "password": "sesame", "link": {"token": "x", "port": 2775}}
    )
    assert event == {"bind": HIDDEN, "password": HIDDEN, "link": {"token": HIDDEN, "port": 2775}}


@pytest.mark.parametrize("form", ["json", "console"])
def test_an_object_that_holds_a_secret_shows_stars(form: str) -> None:
    class Link(msgspec.Struct):
        password: Secret

    stream, log = written(format=form)
    log.info("smpp.bound", link=Link(Secret("sesame")))
    assert "sesame" not in stream.getvalue()
    assert HIDDEN in stream.getvalue()


def test_an_exception_is_one_line_in_json_and_shows_no_locals() -> None:
    stream, log = written(format="json")
    body = "a private text"
    try:
        raise ValueError(len(body))
    except ValueError:
        log.exception("sms.failed")
    assert stream.getvalue().count("\n") == 1
    assert "ValueError: 14" in json.loads(stream.getvalue())["exception"]
    assert body not in stream.getvalue()


def test_an_exception_on_the_console_shows_no_locals() -> None:
    stream, log = written(format="console")
    body = "a private text"
    try:
        raise ValueError(len(body))
    except ValueError:
        log.exception("sms.failed")
    assert "ValueError: 14" in stream.getvalue()
    assert body not in stream.getvalue()


def test_an_endless_text_is_cut() -> None:
    assert len(protect(None, "info", {"error": "x" * 1_000_000})["error"]) == MAX_TEXT + 1


def test_what_is_below_the_level_is_not_written() -> None:
    stream, log = written(level="warning", format="json")
    log.info("sms.accepted")
    assert stream.getvalue() == ""


def test_a_library_s_logger_goes_the_same_way_from_warnings_on() -> None:
    stream, _ = written(format="json")
    library = logging.getLogger("aiohttp.server")
    library.info("noise")
    library.warning("bad request from %s", "127.0.0.1")
    line = json.loads(stream.getvalue())
    assert (line["event"], line["level"], line["logger"]) == (
        "bad request from 127.0.0.1",
        "warning",
        "aiohttp.server",
    )


def test_a_log_that_cannot_be_written_stops_nobody() -> None:
    class Full(io.StringIO):
        def write(self, _text: str) -> int:
            raise OSError(28, "No space left on device")

        def flush(self) -> None:
            raise OSError(28, "No space left on device")

    configure(LogSettings(format="json"), stream=Full())
    structlog.get_logger("test").error("store.away")
    logging.getLogger("aiohttp.server").error("noise")

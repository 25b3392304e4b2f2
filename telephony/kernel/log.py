"""Logs: one line an event, to standard error, as JSON or for eyes; numbers shortened, secrets never shown.

An event's name is `plane.what`, everything else stands in fields. Ids bound with `structlog.contextvars` are
on every line of the same task. What must not be in a log is taken out here, for our own loggers and for the
libraries' alike, so that no caller has to remember it.
"""

import contextlib
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, Literal, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from telephony.kernel.e164 import shorten
from telephony.kernel.secret import Secret

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]

NUMBER_FIELDS: Final = frozenset(
    {
        "number",
        "numbers",
        "from",
        "to",
        "own",
        "peer",
        "sender",
        "recipient",
        "recipients",
        "source",
        "destination",
    }
    | {"address", "caller", "callee", "msisdn"}
)
"""Fields that hold telephone numbers."""

SECRET_FIELDS: Final = frozenset(
    {
        "password",
        "secret",
        "token",
        "authorization",
        "access_key",
        "master_key",
        "connection_string",
        "cookie",
    }
)
"""Fields whose value is never shown, whatever it is."""

HIDDEN: Final = "***"

MAX_TEXT: Final = 8_000
"""Characters of one field: a traceback fits, a peer that sends megabytes in an error text does not."""

_NUMBER: Final = re.compile(r"\+?[0-9]{7,15}", re.ASCII)


class LogSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is logged, and how it looks."""

    level: Level = "info"
    """The least important level that is written."""
    format: Format = "console"
    """`console` for eyes, `json` for machines: one object a line."""


def protect(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Hide secrets, shorten telephone numbers and cut endless texts: a structlog processor."""
    for key, value in event.items():
        event[key] = HIDDEN if key in SECRET_FIELDS else _safe(value, number=key in NUMBER_FIELDS)
    return event


def _safe(value: Any, *, number: bool) -> Any:  # noqa: ANN401 - a log field is anything
    if isinstance(value, str):
        if number and _NUMBER.fullmatch(value):
            return shorten(value)
        return value if len(value) <= MAX_TEXT else value[:MAX_TEXT] + "…"
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, list | tuple | set | frozenset):
        return [_safe(each, number=number) for each in value]
    if isinstance(value, dict):
        return {
            key: HIDDEN if key in SECRET_FIELDS else _safe(each, number=number or key in NUMBER_FIELDS)
            for key, each in value.items()
        }
    return value


class _Output:
    """A stream that never fails: a log that cannot be written, as on a full disk, must not stop the work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written; the rest is lost."""
        try:
            return self._stream.write(text)
        except OSError:
            return 0

    def flush(self) -> None:
        """Flush what can be flushed."""
        with contextlib.suppress(OSError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Tell whether somebody looks on."""
        return self._stream.isatty()


def configure(settings: LogSettings, *, stream: TextIO | None = None) -> None:
    """Send every log of this process to `stream` (standard error) as `settings` say.

    Once a process, before the first line. Loggers of libraries (aiohttp, SQLAlchemy) go the same way from
    warnings on, and from the configured level when that is debug.
    """
    output = cast("TextIO", _Output(stream or sys.stderr))
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderers = _renderers(settings.format, output)
    structlog.configure(
        processors=[*shared, *renderers],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(output),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(output)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level if settings.level == "debug" else max(level, logging.WARNING))


def _renderers(form: Format, output: TextIO) -> list[Processor]:
    if form == "json":
        # A traceback is one field, its line ends escaped. Without locals: they hold bodies and keys.
        return [structlog.processors.format_exc_info, protect, structlog.processors.JSONRenderer(_dumps)]
    plain = structlog.dev.ConsoleRenderer(
        colors=output.isatty(),
        exception_formatter=structlog.dev.plain_traceback,
        pad_event_to=0,
        pad_level=False,
    )
    return [protect, plain]


def _dumps(event: MutableMapping[str, Any], **_options: object) -> str:
    return msgspec.json.encode(event, enc_hook=repr).decode()

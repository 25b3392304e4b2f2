"""Request bodies: JSON into the route's struct, and each mistake named at its place in ACS spelling."""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

import msgspec

from telephony.kernel.errors import CallerError, InvalidRequest, TooLarge, UnsupportedMedia

T = TypeVar("T", bound=msgspec.Struct)

_AT: Final = re.compile(r" - at `(?:key in )?\$(?P<path>.*)`$")
_FIELD: Final = re.compile(r"^Object (?:missing required|contains unknown) field `(?P<field>.*)`$")
_ESCAPED_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF_PAIR: Final = re.compile("[\ud800-\udfff]")
"""`json` joins whole pairs."""
_ESCAPED_NUL: Final = b"\\u0000"


class RequestTimeout(CallerError):
    """The body did not come in time."""

    status = 408
    default_code = "RequestTimeout"
    metric = "timeout"
    retryable = True


def body_too_large(ceiling: int) -> TooLarge:
    """Return the error for a body beyond `ceiling` bytes."""
    return TooLarge(f"The body is longer than {ceiling} bytes.")


class BodyDecoder(Generic[T]):
    """Decodes the bodies of one route."""

    def __init__(self, kind: type[T], media_types: tuple[str, ...]) -> None:
        self._decoder = msgspec.json.Decoder(kind)
        self._media_types = media_types

    def decode(self, content_type: str | None, content_encoding: str | None, raw: bytes) -> T:
        """Return the struct in `raw`.

        No body at all is an empty object, so that an operation whose fields are all optional may be called
        without one. Raises UnsupportedMedia for another type, charset or encoding, InvalidRequest (with the
        place as target) for anything that is not the struct.
        """
        if raw:
            self._check_type(content_type, content_encoding)
        try:
            body = self._decoder.decode(raw or b"{}")
            if _ESCAPED_NUL in raw:
                _refuse_nul(msgspec.json.decode(raw))
        except msgspec.ValidationError as error:
            if not raw:
                raise InvalidRequest("A body is required.") from error
            raise _at_its_place(str(error)) from error
        except UnicodeDecodeError as error:
            raise InvalidRequest("The body is not valid UTF-8.") from error
        except RecursionError as error:
            raise InvalidRequest("The body is nested too deeply.") from error
        except (msgspec.DecodeError, ValueError) as error:
            _refuse_half_pairs(raw)
            raise InvalidRequest(f"The body is not valid JSON: {_plain(str(error))}") from error
        return body

    def _check_type(self, content_type: str | None, content_encoding: str | None) -> None:
        media, charset = _media_type(content_type or "")
        if media not in self._media_types:
            raise UnsupportedMedia(
                f"The body must be of type {' or '.join(self._media_types)}.", target="Content-Type"
            )
        if charset not in ("", "utf-8", "utf8"):
            raise UnsupportedMedia("The body must be in UTF-8.", target="Content-Type")
        if content_encoding and content_encoding.lower() != "identity":
            raise UnsupportedMedia("The body must not be compressed.", target="Content-Encoding")


@lru_cache(maxsize=64)
def _media_type(header: str) -> tuple[str, str]:
    """Return the media type and the charset of a Content-Type, both in lower case."""
    media, _, rest = header.partition(";")
    charset = ""
    for parameter in rest.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "charset":
            charset = value.strip().strip('"').lower()
    return media.strip().lower(), charset


def _at_its_place(message: str) -> InvalidRequest:
    """Turn msgspec's `… - at `$.smsRecipients[0].to`` into an error with that place as its target."""
    place = _AT.search(message)
    what, path = (message[: place.start()], place["path"].lstrip(".")) if place else (message, "")
    if (field := _FIELD.match(what)) is not None:
        path = f"{path}.{field['field']}" if path else field["field"]
        what = "It is required." if "missing" in what else "There is no such field."
    text = f"{path}: {what}" if path else f"The body: {what}"
    return InvalidRequest(_plain(text), target=path or None)


def _plain(message: str) -> str:
    return message.replace("`", "'")


def _refuse_nul(document: object) -> None:
    """Refuse U+0000 in any text: PostgreSQL's text cannot hold it, and no telephone shows it."""
    for path, text in _texts(document, ""):
        if "\0" in text:
            raise InvalidRequest(
                f"{path or 'The body'}: The character U+0000 is not allowed.", target=path or None
            )


def _refuse_half_pairs(raw: bytes) -> None:
    """Refuse half a surrogate pair at its place, if that is what is wrong: JSON allows to write it."""
    if _ESCAPED_SURROGATE.search(raw) is None:
        return
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        return
    for path, text in _texts(document, ""):
        half = _HALF_PAIR.search(text)
        if half is not None:
            place = path.encode("utf-8", "replace").decode()
            raise InvalidRequest(
                f"{place or 'The body'}: Character {half.start() + 1} is half a surrogate pair.",
                target=place or None,
            )


def _texts(document: object, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(document, str):
        yield path, document
    elif isinstance(document, list):
        for index, item in enumerate(document):
            yield from _texts(item, f"{path}[{index}]")
    elif isinstance(document, dict):
        members: dict[Any, object] = document
        for key, item in members.items():
            name = key.replace("\0", "")
            yield f"{path}.{name}" if path else name, key
            yield from _texts(item, f"{path}.{name}" if path else name)

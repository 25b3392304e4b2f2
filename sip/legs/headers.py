"""Header fields of calls by a trunk's rules: who calls, who was called first, what may be shown. Pure."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from sip.legs.trunks import TrunkFacts
from sip.wire.address import Address, parse_address
from sip.wire.errors import Malformed
from sip.wire.uri import Uri, parse_uri
from sip.workers.messages import Header
from telephony.calling.ports import Dialled

ANONYMOUS: Final = '"Anonymous" <sip:anonymous@anonymous.invalid>'
"""RFC 3323 §4.1.1.3."""

_OURS: Final = frozenset(
    {
        *("accept", "accept-encoding", "allow", "allow-events", "authorization", "call-id", "contact"),
        *("content-disposition", "content-encoding", "content-length", "content-type", "cseq", "event"),
        *("from", "max-forwards", "mime-version", "min-se", "p-asserted-identity", "p-preferred-identity"),
        *("privacy", "proxy-authorization", "proxy-require", "rack", "record-route", "refer-to", "replaces"),
        *("require", "route", "rseq", "session-expires", "supported", "target-dialog", "to", "user-agent"),
        "via",
    }
)
"""Fields that are the stack's or the trunk's rules' to write; whoever dials cannot."""
_INTERNAL: Final = "x-tandem-"
_NAME: Final = re.compile(r"^[A-Za-z0-9\-.!%*_+`'~]{1,128}$")
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f]")
MAX_VALUE: Final = 8192
"""Octets of a value: an Identity (RFC 8224) with its certificate's address takes one."""

_HIDDEN: Final = frozenset({"id", "user", "header", "session"})
"""Values of Privacy by which a caller is not to be shown (RFC 3323 §4.2, RFC 3325 §9.3)."""


def uri_of(number: str, host: str, port: int | None = None) -> Uri:
    """Return the SIP URI of a number."""
    return Uri("sip", number, host, port)


def sender_of(dialled: Dialled, facts: TrunkFacts, host: str) -> str:
    """Return From."""
    if dialled.privacy and facts.headers.privacy != "header":
        return ANONYMOUS
    name = "" if dialled.privacy else _CONTROLS.sub("", dialled.display)
    return str(Address(uri_of(dialled.sender, host), name))


def fields_of(dialled: Dialled, facts: TrunkFacts, host: str) -> list[Header]:
    """Return the fields beside From and To that a call goes out with."""
    rules = facts.headers
    fields: list[Header] = []
    if rules.caller != "from" and dialled.sender:
        name = "P-Asserted-Identity" if rules.caller == "pai" else "P-Preferred-Identity"
        fields.append(Header(name, f"<{uri_of(dialled.sender, host)}>"))
    if dialled.privacy and rules.privacy != "anonymous-from":
        fields.append(Header("Privacy", "id"))
    return fields + [Header(name, value) for name, value in dialled.headers if passes(name, value)]


def passes(name: str, value: str) -> bool:
    """Tell whether a field may be added to a call by whoever dials."""
    plain = name.lower()
    return (
        _NAME.match(name) is not None
        and len(plain) > 1  # short forms are of fields that are ours
        and plain not in _OURS
        and not plain.startswith(_INTERNAL)
        and len(value.encode(errors="surrogateescape")) <= MAX_VALUE
        and _CONTROLS.search(value) is None
    )


def told(fields: Iterable[Header]) -> tuple[tuple[str, str], ...]:
    """Return what the plane hears of a call's fields: all but internal ones."""
    return tuple((each.name, each.value) for each in fields if not each.name.lower().startswith(_INTERNAL))


def value_of(fields: Iterable[Header], name: str) -> str:
    """Return the first value of a field; empty when it is not there."""
    wanted = name.lower()
    return next((each.value for each in fields if each.name.lower() == wanted), "")


def values_of(fields: Iterable[Header], name: str) -> list[str]:
    """Return every value of a field."""
    wanted = name.lower()
    return [each.value for each in fields if each.name.lower() == wanted]


def caller_of(fields: Sequence[Header], sender: str, facts: TrunkFacts) -> str:
    """Return who calls; empty when it does not say, or asks that nobody be told."""
    asked = {part.strip().lower() for value in values_of(fields, "Privacy") for part in value.split(";")}
    if asked & _HIDDEN:
        return ""
    asserted = {"pai": "P-Asserted-Identity", "ppi": "P-Preferred-Identity"}.get(facts.headers.caller)
    for value in [*(values_of(fields, asserted) if asserted else ()), sender]:
        user = user_of(value)
        if user and user.lower() not in {"anonymous", "unavailable", "unknown", "restricted"}:
            return user
    return ""


def called_of(uri: str, to: str) -> str:
    """Return whom a call is for: the Request-URI's user, or To's when that has none."""
    try:
        user = parse_uri(uri).user
    except Malformed:
        user = ""
    return _plain(user) or user_of(to)


def user_of(address: str) -> str:
    """Return the user of an address, without parameters; empty when it cannot be read."""
    try:
        uri = parse_address(address).uri
    except Malformed:
        return ""
    return "" if uri.host.lower() == "anonymous.invalid" else _plain(uri.user)


def _plain(user: str) -> str:
    """Return a number without RFC 3966's parameters and separators; a name stays as it is."""
    number = user.partition(";")[0]
    bare = re.sub(r"[().\- ]", "", number)
    return bare if re.match(r"^\+?[0-9*#]+$", bare) else number


def contact_of(fields: Sequence[Header]) -> str:
    """Return where a redirection points; empty when it does not say."""
    for value in values_of(fields, "Contact"):
        try:
            return str(parse_address(value).uri)
        except Malformed:
            continue
    return ""


def realm_of(fields: Sequence[Header]) -> str:
    """Return the realm of a challenge that MD5 answers; empty when there is none."""
    for name in ("Proxy-Authenticate", "WWW-Authenticate"):
        for value in values_of(fields, name):
            found = re.search(r'\brealm="([^"]{0,128})"', value)
            algorithm = re.search(r'\balgorithm="?([A-Za-z0-9-]+)', value)
            if found and (algorithm is None or algorithm[1].upper() == "MD5"):
                return found[1]
    return ""

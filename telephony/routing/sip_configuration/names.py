"""Names of trunks and domains. Pure."""

import re
from collections.abc import Iterable
from typing import Final

MAX_FQDN: Final = 249
"""Characters of a name (ACS); DNS has room for four more (RFC 1035 §2.3.4)."""

_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_FQDN: Final = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)


def is_fqdn(text: str) -> bool:
    """Tell whether `text` is a name of two labels at least (RFC 1123 §2.1), and no address in any spelling.

    What ends in a number is an address for many a resolver (WHATWG URL §3.5).
    """
    if len(text) > MAX_FQDN or _FQDN.fullmatch(text) is None:
        return False
    return _DIGITS.fullmatch(text.rpartition(".")[2]) is None


def folded(name: str) -> str:
    """Return a name as it is compared: case does not count (RFC 4343)."""
    return name.lower()


def domain_of(fqdn: str, domains: Iterable[str]) -> str | None:
    """Return the closest of the domains that a trunk's name is in, or None; `domains` are as they are
    spelled."""
    by_name = {folded(each): each for each in domains}
    rest = folded(fqdn)
    while rest:
        if rest in by_name:
            return by_name[rest]
        rest = rest.partition(".")[2]
    return None

"""Names that operators give (carriers, links) in variables: those have no dashes and no case."""

from typing import Any

import msgspec

from tandem.config.build import named_structs_in, struct_in
from tandem.config.origin import Table


def match_names(kind: Any, upper: Table, lower: Table) -> None:  # noqa: ANN401 - a type annotation
    """Spell names in `upper` as `lower` spells them, in place.

    `TANDEM_CARRIERS__ACME_ONE__…` means the carrier `acme-one` when the file has one of that name, and makes
    a new one called `acme_one` otherwise.
    """
    struct = struct_in(kind)
    if struct is not None:
        for field in msgspec.structs.fields(struct):
            _below(field.type, field.encode_name, upper, lower)
        return
    named = named_structs_in(kind)
    if named is not None:
        for name in list(upper):
            spelled = next((each for each in lower if _folded(each) == _folded(name)), name)
            upper[spelled] = upper.pop(name)
            _below(named, spelled, upper, lower)


def _below(kind: Any, key: str, upper: Table, lower: Table) -> None:  # noqa: ANN401 - a type annotation
    above, beneath = upper.get(key), lower.get(key)
    if isinstance(above, dict) and isinstance(beneath, dict):
        match_names(kind, above, beneath)


def _folded(name: str) -> str:
    return name.lower().replace("-", "_")

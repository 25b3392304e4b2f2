"""JSON Merge Patch (RFC 7396): how every ACS operation with PATCH changes a thing."""

from typing import Final, TypeAlias

from telephony.kernel.errors import InvalidRequest

Json: TypeAlias = bool | int | float | str | list["Json"] | dict[str, "Json"] | None

MAX_DEPTH: Final = 64
"""Levels of a patch: ACS's deepest document has six; a stack must not be a caller's to fill."""


def merge_patch(target: Json, patch: Json, *, depth: int = 0) -> Json:
    """Return `target` as `patch` changes it (RFC 7396 §2): null removes a member, an object merges, anything
    else replaces. Neither argument is touched.

    Raises InvalidRequest when `patch` is nested deeper than MAX_DEPTH.
    """
    if depth > MAX_DEPTH:
        raise InvalidRequest("The patch is nested too deeply.")
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge_patch(merged.get(name), value, depth=depth + 1)
    return merged

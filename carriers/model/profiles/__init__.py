"""Well-known kinds of carriers, as files to fill in: what stands in <angle brackets> is yours to say.

The first line of a file is what it is, as a comment.
"""

from collections.abc import Mapping
from importlib.resources import files
from typing import Final

SUFFIX: Final = ".toml"


def profiles() -> Mapping[str, str]:
    """Return what each profile is, by its name."""
    found = (each.name for each in files(__name__).iterdir() if each.name.endswith(SUFFIX))
    names = sorted(name.removesuffix(SUFFIX) for name in found)
    return {name: profile_text(name).partition("\n")[0].lstrip("# ") for name in names}


def profile_text(name: str) -> str:
    """Return a profile as TOML. Raises FileNotFoundError."""
    return files(__name__).joinpath(name + SUFFIX).read_text("utf-8")

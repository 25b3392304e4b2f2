"""Loading: defaults < file < environment < flags."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tandem.config.build import build
from tandem.config.names import match_names
from tandem.config.origin import DEFAULT, Origin, Table, overlay
from tandem.config.sources import from_environment, from_file, from_flags
from tandem.config.tree import Configuration, completed

FILE_VARIABLE: Final = "TANDEM_CONFIG"
FILE: Final = Path("tandem.toml")
"""Read when it is there and no other file is named."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and where each of its values came from."""

    configuration: Configuration
    origins: Mapping[tuple[str, ...], Origin]
    file: Path | None
    """The file that was read."""

    def origin(self, path: tuple[str, ...]) -> Origin:
        """Return where the value at `path` came from."""
        return self.origins.get(path, DEFAULT)


def load(
    file: Path | None = None,
    *,
    flags: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Loaded:
    """Return the configuration of this node.

    `file`: the one named by a flag; else the one TANDEM_CONFIG names; else `tandem.toml`, if there is one.
    `flags`: dotted keys to texts. `environment`: the process's own unless given.
    Raises ConfigurationError, a line for each thing that is wrong.
    """
    environment = os.environ if environment is None else environment
    if file is None and environment.get(FILE_VARIABLE):
        file = Path(environment[FILE_VARIABLE])
    if file is None and FILE.exists():
        file = FILE
    table: Table = {} if file is None else from_file(file)
    for source in (from_environment(environment), from_flags(flags or {})):
        match_names(Configuration, source, table)
        overlay(table, source)
    configuration, origins = build(Configuration, table, environment=environment)
    return Loaded(completed(configuration), origins, file)


def check(file: Path, *, environment: Mapping[str, str] | None = None) -> Configuration:
    """Return what `file` alone says, completed. Raises ConfigurationError as `load` does.

    `environment` serves `env:NAME` only; variables that override settings are left out.
    """
    environment = os.environ if environment is None else environment
    configuration, _ = build(Configuration, from_file(file), environment=environment)
    return completed(configuration)

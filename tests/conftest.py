"""Fixtures every folder may use, the rule that each module declares its category, and the table of times."""

import gc
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import settings

from telephony.kernel.store import Store
from tests.support import postgres as postgresql
from tests.support import stores
from tests.support.scale import full_scale

pytest_plugins = ["tests.support.promises"]

CATEGORIES: Final = frozenset({"unit", "wire", "peer", "soak", "ui"})

settings.register_profile("tandem", deadline=None)  # an example may wait for a machine that does other things
settings.load_profile("tandem")

BUDGET_SECONDS: Final = 600.0
"""What a whole run may take on two cores, not at full scale."""

_SPENT: Final[dict[str, float]] = defaultdict(float)
_COUNTED: Final[dict[str, int]] = defaultdict(int)
_STARTED: Final = time.monotonic()


@pytest.fixture(scope="session")
def postgres() -> Iterator[postgresql.Postgres]:
    """A PostgreSQL server for the whole run; started when the first test asks for it."""
    with postgresql.running() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the whole schema."""
    return stores.sqlite_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def postgresql_databases(postgres: postgresql.Postgres) -> stores.Databases:
    """PostgreSQL databases with the whole schema, one test after the other."""
    return stores.Databases(postgres)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database with the whole schema and no rows."""
    return stores.sqlite_url(sqlite_template, tmp_path)


@pytest.fixture
def postgresql_url(postgresql_databases: stores.Databases) -> Iterator[str]:
    """The URL of a PostgreSQL database with the whole schema and no rows."""
    with postgresql_databases.lent() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The URL of a database with the whole schema and no rows: each test runs on both."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A started store with the whole schema and no rows: each test runs on both databases."""
    with stores.started(store_url) as started:
        yield started


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    """A started store on SQLite: for what does not touch the database's own ways."""
    with stores.started(sqlite_url) as started:
        yield started


@pytest.fixture
def postgresql_store(postgresql_url: str) -> Iterator[Store]:
    """A started store on PostgreSQL."""
    with stores.started(postgresql_url) as started:
        yield started


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse a module that does not declare exactly one category."""
    wrong: dict[str, str] = {}
    for module in {item.getparent(pytest.Module) for item in items}:
        if module is None:
            continue
        declared = getattr(module.obj, "pytestmark", [])
        marks = declared if isinstance(declared, list) else [declared]
        found = sorted(mark.name for mark in marks if mark.name in CATEGORIES)
        if len(found) != 1:
            wrong[module.nodeid] = ", ".join(found) or "none"
    if wrong:
        listed = "\n".join(f"  {name}: {found}" for name, found in sorted(wrong.items()))
        names = ", ".join(sorted(CATEGORIES))
        raise pytest.UsageError(f"Each test module declares one category (pytestmark) of {names}:\n{listed}")


def pytest_collection_finish() -> None:
    """Keep thousands of collected tests, which stay for the whole run, out of every garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add a test's time to its folder's."""
    folder = str(Path(report.nodeid.split("::", 1)[0]).parent)
    _SPENT[folder] += report.duration
    _COUNTED[folder] += report.when == "call"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print where the time went."""
    if not _SPENT:
        return
    write = terminalreporter.write_line
    terminalreporter.section("time by folder")
    for folder in sorted(_SPENT):
        write(f"{folder:<40} {_COUNTED[folder]:>6} tests {_SPENT[folder]:>8.1f} s")
    total = time.monotonic() - _STARTED
    if full_scale():
        write(f"{'whole run, at full scale':<40} {sum(_COUNTED.values()):>6} tests {total:>8.1f} s")
        return
    late = total > BUDGET_SECONDS
    write(
        f"{'whole run':<40} {sum(_COUNTED.values()):>6} tests {total:>8.1f} s of {BUDGET_SECONDS:.0f} s"
        + (": OVER THE BUDGET" if late else ""),
        red=late,
        green=not late,
    )

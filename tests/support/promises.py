"""Tests that hold a promise: a mark says which one, the fixture `promise` takes the figures.

    @pytest.mark.promise("R18")
    def test_…(promise: Report) -> None:
        …
        promise(accepted=10_000, lost=0)

With `--promises FILE` only such tests run, and FILE becomes the table of what came out (`make promises`).
A pytest plugin: tests/conftest.py loads it.
"""

import os
import platform
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.scale import full_scale

PROMISES: Final = {
    "R1": "Every message of RFC 4475 over UDP and TCP: an OPTIONS after each is answered, no restart; none "
    "of the invalid ones makes a call.",
    "R2": "Mutated SIP messages and mutated SDPs: no OPTIONS between them goes unanswered.",
    "R3": "A flood from one address: it is not heard, and a call of another address comes in.",
    "R12": "RTP from another address than the negotiated or latched one: at most 5 packets before latching, "
    "0 after; 0 injected samples in a recording.",
    "R13": "A closed RTP port rests 30 seconds.",
    "R14": "1,000 broken SRTP packets do not end a call.",
    "R15": "60 seconds without RTP and RTCP are told, unless held; early media, receive-only and DTX legs "
    "count as alive by either.",
    "R16": "Mutated PDUs, and every field truncated, lied about in length or unknown: generic_nack or "
    "the right error, never a crash; a length over 64 KB closes; slow readers and half-open binds "
    "are closed.",
    "R17": "Ids of receipts in 8 forms, declared or learned, before the response, twice, out of order, per "
    "part: 100 % matched, 0 wrong in 100,000; what is in doubt waits.",
    "R18": "kill -9 of any process during a load: everything accepted is sent or reported failed, 0 "
    "lost, duplicates at most those unanswered at the kill, and marked.",
    "R19": "A lost answer, throttling (0x58, 0x14), a lost link: retried on named refusals only, over the "
    "next link, while the message is valid.",
    "R20": "Every character of GSM 03.38 and its extension, surrogate pairs uncut, 160/153/70/67: round "
    "trip 100 %.",
    "R21": "A rate of N a second by link and 1 a second by sender holds within 2 % over 60 seconds.",
    "R22": "Opt-out words: the next message to that recipient is refused with the API's code; START undoes "
    "it.",
    "R23": "Wrong key, changed body, changed host, old date, missing header: 401 each, compared in "
    "constant time. The same repeatability id twice has one effect.",
    "R24": "For every route and every other resource's id in the path: 404, the same as for an id that "
    "does not exist; ids in bodies likewise. Generated from the route table.",
    "R25": "URLs given by callers: no form of server-side request forgery makes a connection; the "
    "address that was checked is the one that is connected to.",
    "R26": "Webhook signatures cover time and raw body, with a window of 5 minutes; at least 6 tries "
    "with jitter over 24 hours; a dead endpoint delays the others by less than 50 ms.",
    "R27": "No secret, no message and no full telephone number in logs; no secret in the output of "
    "settings, in answers of the API, in health or metrics.",
    "R30": "200 spellings of a number (plus, 00, tech prefix, other scripts' digits, spaces, phone-context, "
    "%31) lead to one decision or one refusal.",
    "R32": "Two numbers that answer each other by themselves stop after 5 messages (of the messages; calls "
    "are not built yet).",
    "R35": "Database gone, disk full: 503 meanwhile, said in words, everything goes on within 5 seconds, "
    "nothing that was accepted is lost.",
    "Memory": "Half a million messages with receipts through a gateway: its memory is flat after the first "
    "hundred thousand, its queues are bounded, what is too much gets 429 with Retry-After, nothing that was "
    "accepted is dropped.",
    "Media input": "Mutated RTP, RTCP and control requests: counted, answered or cut off; the engine and "
    "every other leg go on.",
    "Media load": "A media engine that works 80 % of its time for 10 minutes: no tick late by more than "
    "20 ms, no packet lost or wrong, commands answered within 10 ms.",
    "Bad input": "Every malformed request gets the documented error with code, message and target; a wrong "
    "configuration names file, key and what would be right.",
}
"""What is held today; a number that is missing here is not held yet."""

Report = Callable[..., None]
"""Takes figures by name: numbers, or texts."""


@dataclass
class _Run:
    """What is known of one test."""

    promises: tuple[str, ...] = ()
    figures: dict[str, object] = field(default_factory=dict)
    seconds: float = 0.0
    failed: bool = False


class _Record:
    """Every test of a run that holds a promise, by its id, in the order in which they ran."""

    def __init__(self, page: Path | None) -> None:
        self.page = page
        self.started = time.monotonic()
        self.runs: dict[str, _Run] = {}
        self.missing: list[str] = []


_RECORD: Final = pytest.StashKey[_Record]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--promises`."""
    parser.addoption(
        "--promises", metavar="FILE", help="run only what holds a promise, and write the table to FILE"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark."""
    config.addinivalue_line("markers", "promise(name): holds this promise of docs/promises.md")
    page = config.getoption("--promises")
    config.stash[_RECORD] = _Record(None if page is None else Path(page))
    config.pluginmanager.register(_Listener(config.stash[_RECORD]))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse promises that nobody knows; with `--promises` leave everything else out."""
    record = config.stash[_RECORD]
    chosen: list[pytest.Item] = []
    for item in items:
        names = sorted({str(mark.args[0]) for mark in item.iter_markers("promise")})
        unknown = set(names) - PROMISES.keys()
        if unknown:
            raise pytest.UsageError(f"{item.nodeid}: no promise is named {', '.join(sorted(unknown))}")
        if names:
            chosen.append(item)
            item.user_properties.append(("promises", names))
    if record.page is None:
        return
    if list(config.args) == list(config.getini("testpaths")):
        held = {name for item in chosen for mark in item.iter_markers("promise") for name in mark.args}
        record.missing = [name for name in PROMISES if name not in held]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


@pytest.fixture
def promise(request: pytest.FixtureRequest) -> Report:
    """Take figures for the table of promises."""
    assert request.node.get_closest_marker("promise"), "only a test that is marked with a promise has figures"

    def report(**figures: object) -> None:
        request.node.user_properties.append(("figures", figures))

    return report


class _Listener:
    """Hears what becomes of the tests."""

    def __init__(self, record: _Record) -> None:
        self._record = record

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        properties: dict[str, Any] = {}
        for name, value in report.user_properties:
            properties.setdefault(name, {} if name == "figures" else value)
            if name == "figures":
                properties[name] |= value
        if "promises" not in properties:
            return
        run = self._record.runs.setdefault(report.nodeid, _Run(tuple(properties["promises"])))
        run.figures = properties.get("figures", {})
        run.seconds += report.duration
        run.failed |= report.failed

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        record = self._record
        if record.page is None or session.config.option.collectonly:
            return
        seconds = time.monotonic() - record.started
        record.page.write_text(_page(record, seconds, complete=session.shouldstop is False))
        if record.missing:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        record = self._record
        if record.page is None:
            return
        terminalreporter.section("promises")
        for name in PROMISES:
            for _, what, figures, result, _ in _rows(record, name):
                terminalreporter.write_line(f"{name:<10} {result:<7} {what}: {figures}")
        for name in record.missing:
            terminalreporter.write_line(f"{name}: no test holds it", red=True)


_HEAD: Final = """# Promises

What the project promises, and what came out when it was last tried at full scale: `make promises` runs
this and writes this page. `make test` runs the same tests at small scale on every change.

"""


def _page(record: _Record, seconds: float, *, complete: bool) -> str:
    failed = sum(run.failed for run in record.runs.values())
    result = "**All held.**" if complete and not failed and not record.missing else "**Not all held.**"
    scale = "full" if full_scale() else "small"
    lines = [
        _HEAD + f"{result} {datetime.now(UTC):%d %B %Y}, {scale} scale, {len(record.runs)} tests in "
        f"{seconds / 60:.1f} minutes, on {_machine()}.\n",
        "| promise | what was run | figures | result | time |",
        "|---|---|---|---|---|",
    ]
    for name in PROMISES:
        lines += ["| " + " | ".join(_cell(cell) for cell in row) + " |" for row in _rows(record, name)]
    lines += [f"| {name} | – | – | **no test** | – |" for name in record.missing]
    lines += ["", "## What each says", ""]
    lines += [f"- **{name}** {text}" for name, text in PROMISES.items()]
    return "\n".join(lines) + "\n"


def _rows(record: _Record, name: str) -> Iterable[tuple[str, str, str, str, str]]:
    """Yield a row for each test with figures or a failure, and one for the rest of each module."""
    rest: dict[str, list[_Run]] = {}
    for identifier, run in record.runs.items():
        if name not in run.promises:
            continue
        if run.figures or run.failed:
            result = "**FAILED**" if run.failed else "held"
            yield name, _sentence(identifier), _figures(run.figures), result, f"{run.seconds:.1f} s"
        else:
            rest.setdefault(identifier.split("::", 1)[0], []).append(run)
    for module, runs in rest.items():
        tests = f"{len(runs):,} test{'s' if len(runs) > 1 else ''}"
        yield name, f"`{module}`", tests, "held", f"{sum(run.seconds for run in runs):.1f} s"


def _sentence(identifier: str) -> str:
    """Return a test's name in words: `test_a_b[c-d]` → `a b (c, d)`."""
    bare, _, parameters = identifier.rpartition("::")[2].partition("[")
    words = bare.removeprefix("test_").replace("_", " ")
    return f"{words} ({', '.join(parameters[:-1].split('-'))})" if parameters else words


def _figures(figures: dict[str, object]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in figures.items()) or "–"


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _machine() -> str:
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{len(os.sched_getaffinity(0))} cores of {model[1] if model else platform.machine()},"
        f" {memory:.0f} GB, Linux {platform.release().split('-')[0]}, Python {platform.python_version()}"
    )

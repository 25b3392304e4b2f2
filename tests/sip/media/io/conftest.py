"""Media I/O for tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from sip.media.io.settings import PromptSettings, RecordingSettings
from tests.support.media_io import Service


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    """Media I/O in this process, with small limits."""
    made = Service(
        tmp_path,
        prompts=PromptSettings(octets=300_000, seconds=5.0, fetch_seconds=2.0, fresh_seconds=0.0),
        recordings=RecordingSettings(at_once=3),
    )
    async with made.running():
        yield made

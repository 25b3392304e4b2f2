"""Profiles: each one, filled in, is a carrier."""

import re
from pathlib import Path

import pytest

from carriers.model.profiles import profile_text, profiles
from tandem.config.load import load

pytestmark = pytest.mark.unit

FILLED = {"DE": "DE", "+4930123400": "+4930123400", "+4930123499": "+4930123499"}


def filled(text: str, secret: Path) -> str:
    text = text.replace("file:/etc/tandem/secrets/<name>", f"file:{secret}")
    text = re.sub(r"<([^>]*)>", lambda found: re.sub(r"[^A-Za-z0-9.+/_-]", "", found[1])[:15], text)
    return text.replace(".example", "")


@pytest.mark.parametrize("name", profiles())
def test_a_profile_filled_in_is_a_carrier_that_names_it(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush")
    file = tmp_path / "node.toml"
    file.write_text(filled(profile_text(name), secret))
    (carrier,) = load(file, environment={}).configuration.carriers.values()
    assert carrier.profile == name
    assert carrier.smpp or carrier.sip


def test_each_profile_says_what_it_is() -> None:
    for name, what in profiles().items():
        assert profile_text(name).startswith(f"# {what}\n")
        assert what.endswith(".")

"""Showing a configuration: values, origins, and no secret."""

import tomllib
from pathlib import Path

import pytest

from tandem.config.load import load
from tandem.config.show import text

pytestmark = pytest.mark.wire


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    file = Path("node.toml")
    file.write_text(
        'database = "postgresql://tandem:sesame@db/tandem"\n'
        '[carriers.acme.smpp.main]\nhost = "192.0.2.1"\nsystem_id = "me"\npassword = "sesame"\n'
    )
    environment = {"TANDEM_LOG__LEVEL": "debug", "TANDEM_MASTER_KEY": "sesame"}
    return text(load(file, flags={"port": "9000"}, environment=environment))


@pytest.mark.parametrize(
    "line",
    [
        'data = "var" # default',
        "port = 9000 # --port",
        'log.level = "debug" # environment TANDEM_LOG__LEVEL',
        'database = "postgresql://tandem:***@db/tandem" # node.toml:1',
        'master_key = "***" # environment TANDEM_MASTER_KEY',
        'carriers.acme.smpp.main.password = "***" # node.toml:5',
        'carriers.acme.smpp.main.host = "192.0.2.1" # node.toml:3',
        "# master_key_file is not set # default",
    ],
)
def test_each_value_stands_there_with_its_origin(shown: str, line: str) -> None:
    assert line in [" ".join(each.split()) for each in shown.splitlines()]


def test_no_secret_is_shown(shown: str) -> None:
    assert "sesame" not in shown


def test_what_is_shown_is_toml(shown: str) -> None:
    assert tomllib.loads(shown)["carriers"]["acme"]["smpp"]["main"]["system_id"] == "me"

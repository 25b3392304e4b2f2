"""The command line as a shell sees it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tandem import __version__
from tandem.cli.app import COMMANDS, assembled
from tandem.cli.node import children
from tandem.config.load import load
from tandem.supervisor.spec import EXIT_CONFIGURATION, Restart, decode, encode

pytestmark = pytest.mark.wire

ROOT = Path(__file__).parents[2]


def tandem(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("TANDEM_")}
    return subprocess.run(
        [sys.executable, "-m", "tandem", *arguments],
        cwd=cwd,
        env={**inherited, "PYTHONPATH": str(ROOT), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_version_is_told_without_importing_anything() -> None:
    code = (
        "import sys\nfrom tandem.cli.app import main\nmain(['--version'])\n"
        "print(sorted({'typer', 'msgspec', 'aiohttp', 'sqlalchemy'} & set(sys.modules)))"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == [f"tandem {__version__}", "[]"]


def test_every_command_exists_and_has_a_help_text() -> None:
    application = assembled()
    commands = {command.name: command.callback for command in application.registered_commands}
    groups = {group.name for group in application.registered_groups}
    assert commands.keys() | groups == COMMANDS.keys()
    assert all(callback is not None and callback.__doc__ for callback in commands.values())


def test_an_unknown_command_is_an_error_of_the_caller() -> None:
    said = tandem("sned")
    assert said.returncode == 2
    assert "sned" in said.stderr


def test_config_show_prints_values_and_origins_and_no_secret(tmp_path: Path) -> None:
    said = tandem("config", "show", "--port", "9000", cwd=tmp_path, TANDEM_MASTER_KEY="sesame")
    assert said.returncode == 0, said.stderr
    lines = [" ".join(line.split()) for line in said.stdout.splitlines()]
    assert "port = 9000 # --port" in lines
    assert 'master_key = "***" # environment TANDEM_MASTER_KEY' in lines
    assert "sesame" not in said.stdout


def test_config_check_tells_what_is_wrong_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text('port = "abc"\n')
    said = tandem("config", "check", "node.toml", cwd=tmp_path)
    assert said.returncode == 1
    assert said.stderr == 'node.toml:1: port: expected a whole number from 1 to 65535, got "abc"\n'


def test_config_check_says_that_a_file_is_right(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_text("port = 9000\n")
    said = tandem("config", "check", "node.toml", cwd=tmp_path)
    assert (said.returncode, said.stdout) == (0, "node.toml: all right\n")


@pytest.mark.parametrize("command", ["run", "gateway", "simulated-carrier", "welcome"])
def test_no_process_starts_with_a_wrong_configuration(command: str, tmp_path: Path) -> None:
    said = tandem(command, "--set", "log.level=loud", cwd=tmp_path)
    assert said.returncode == EXIT_CONFIGURATION
    assert said.stderr.startswith("--set log.level: log.level: expected one of")
    assert list(tmp_path.iterdir()) == []


def test_a_flag_that_sets_nothing_is_refused(tmp_path: Path) -> None:
    said = tandem("run", "--set", "log.level", cwd=tmp_path)
    assert said.returncode == EXIT_CONFIGURATION
    assert said.stderr == "--set log.level: expected KEY=VALUE, such as log.level=debug\n"


def test_a_node_is_the_simulated_carrier_the_gateway_and_a_welcome_when_both_are_ready(
    tmp_path: Path,
) -> None:
    found = load(environment={"TANDEM_DATA": str(tmp_path), "TANDEM_SIP__EDGE": "kamailio"})
    specs = decode(encode(children(found.configuration, ["tandem"], ["--set", "port=1"])))
    names = [
        "simulated-carrier",
        "gateway",
        "welcome",
        "media-engine-0",
        "media-io",
        "sip-workers",
        "sip-edge",
    ]
    assert [spec.name for spec in specs] == names
    carrier, gateway, welcome, *_ = specs
    assert gateway.argv == ("tandem", "gateway", "--set", "port=1")
    assert gateway.after == ()
    assert welcome.after == ("simulated-carrier", "gateway")
    assert welcome.restart is Restart.NEVER
    assert gateway.stop_order < carrier.stop_order


def test_a_node_with_carriers_of_its_own_has_no_simulated_one() -> None:
    prefix = "TANDEM_CARRIERS__ACME__SMPP__MAIN__"
    found = load(environment={prefix + "HOST": "192.0.2.1", prefix + "SYSTEM_ID": "me"})
    names = [spec.name for spec in children(found.configuration, ["tandem"], [])]
    assert names == ["gateway", "welcome", "media-engine-0", "media-io", "sip-workers", "sip-edge"]


@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({"TANDEM_SIP__EDGE": "none"}, {"sip-edge"}),
        ({"TANDEM_SIP__ENABLED": "false"}, {"sip-edge", "sip-workers"}),
        ({"TANDEM_MEDIA__ENABLED": "false"}, {"sip-edge", "sip-workers", "media-io", "media-engine-0"}),
    ],
    ids=["without an edge", "without SIP", "without audio"],
)
def test_what_is_switched_off_does_not_run(settings: dict[str, str], missing: set[str]) -> None:
    names = {spec.name for spec in children(load(environment=settings).configuration, ["tandem"], [])}
    everything = {spec.name for spec in children(load(environment={}).configuration, ["tandem"], [])}
    assert everything - names == missing

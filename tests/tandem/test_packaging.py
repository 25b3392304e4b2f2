"""The distribution: it builds, it installs into an empty environment, and it runs there."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tandem import __version__

pytestmark = pytest.mark.peer

ROOT = Path(__file__).parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-uv.lock")
UV = (sys.executable, "-m", "uv", "--system-certs", "--quiet")


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run(
        [str(each) for each in command], cwd=cwd, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_wheel_holds_the_five_packages_the_licence_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    info = f"tandem_gateway-{__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {
        "tandem",
        "telephony",
        "sip",
        "sms",
        "carriers",
        info,
    }
    assert f"{info}/licenses/LICENSE" in names
    assert not [name for name in names if "/tests/" in name or name.endswith(".pyc")]


def test_the_wheel_runs_in_an_empty_environment(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    run(*UV, "venv", "--python", sys.executable, environment)
    python = environment / "bin" / "python"
    install = ("pip", "install", "--python", python, "--require-hashes", "-r", ROOT / "requirements.lock")
    cached = subprocess.run(
        [*UV, *map(str, install), "--offline"], capture_output=True, check=False, timeout=300
    )
    if cached.returncode != 0:  # the cache was cleaned since the tests' own environment was made
        run(*UV, *install)
    run(*UV, "pip", "install", "--python", python, "--offline", "--no-deps", wheel)
    assert run(environment / "bin" / "tandem", "--version", cwd=tmp_path) == f"tandem {__version__}\n"
    assert 'data = "var"' in run(environment / "bin" / "tandem", "config", "show", cwd=tmp_path)
    # Everything that the command needs is in the lock: importing the whole gateway finds it.
    run(python, "-c", "import tandem.gateway, tandem.welcome, carriers.simulated.main", cwd=tmp_path)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_hashes_and_no_place(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    requirements = [line for line in text.splitlines() if line and not line.startswith((" ", "#"))]
    assert requirements
    for line in requirements:
        assert not line.startswith("-")
        assert " @ " not in line
        assert line.endswith("\\"), f"{line} has no hash"


def test_both_locks_agree() -> None:
    def pins(name: str) -> set[str]:
        lines = (ROOT / name).read_text().splitlines()
        return {line.split(" ")[0] for line in lines if line and not line.startswith((" ", "#"))}

    assert pins("requirements.lock") < pins("requirements-dev.lock")
    assert pins("requirements-uv.lock") < pins("requirements-dev.lock")


def test_every_direct_dependency_says_why() -> None:
    lines = (ROOT / "pyproject.toml").read_text().splitlines()
    project = tomllib.loads("\n".join(lines))
    for each in (*project["project"]["dependencies"], *project["dependency-groups"]["dev"]):
        at = next(number for number, line in enumerate(lines) if line.strip().startswith(f'"{each}"'))
        assert "#" in lines[at] or lines[at - 1].strip().startswith("#"), f"{each} has no reason beside it"


def test_every_debian_package_says_why() -> None:
    lines = (ROOT / "debian-packages.txt").read_text().splitlines()
    packages = [line for line in lines if line and not line.startswith("#")]
    assert packages
    assert all(" # " in line for line in packages)

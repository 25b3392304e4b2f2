"""`python -m tests.promises`: every promise at full scale; writes docs/promises.md; fails when one is broken.

Arguments go to pytest: a folder or file runs only the promises in it, `--promises FILE` writes elsewhere.
"""

import os
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parent.parent / "docs" / "promises.md"


def main() -> int:
    """Run what holds a promise."""
    os.environ["TANDEM_PROMISES"] = "full"
    return int(pytest.main([f"--promises={PAGE}", "--durations=15", *sys.argv[1:]]))


if __name__ == "__main__":
    sys.exit(main())

"""`python -m bench [NAME …]`: run the measurements and print their tables. None of them is a test."""

import importlib
import platform
import sys
from pathlib import Path

NAMES = ("store", "sms")


def main(names: list[str]) -> None:
    """Run the named measurements, or all."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in facts if "model name" in line), "?")
    print(f"{platform.machine()}, {model}, Python {platform.python_version()}, Linux {platform.release()}\n")
    for name in names or NAMES:
        importlib.import_module(f"bench.{name}").main()


if __name__ == "__main__":
    main(sys.argv[1:])

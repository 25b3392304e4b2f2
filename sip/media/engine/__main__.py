"""`python -m sip.media.engine`."""

import os
import sys

# One thread: the engine has one core, and a product of matrices here is too small for two.
for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

from sip.media.engine.main import main  # noqa: E402 - after the settings that numpy reads when it is imported

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

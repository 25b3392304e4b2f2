#!/bin/sh
# Makes .venv from a committed lock: `environment.sh run` for running, `environment.sh dev` for tests as well,
# `environment.sh uv` for the installer alone. Needs Python 3.11 or 3.12 and pip; no python3-venv, no root.
# Does nothing when the lock has not changed since.
set -eu

what=${1:?run, dev or uv}
cd "$(dirname "$0")/.."
here=$(pwd)
env=$here/.venv
python=$env/bin/python
uv=$env/bin/uv
started=$(date +%s)

say() { printf 'environment: %s\n' "$*" >&2; }

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; }

# What an environment in this place, from these locks, by this script, is known by.
stamp() { { printf '%s\n' "$here"; cat scripts/environment.sh requirements-uv.lock "$@"; } | sha256sum | cut -d' ' -f1; }
run_stamp=$(stamp requirements.lock)
dev_stamp=$(stamp requirements.lock requirements-dev.lock)

made() { [ -f "$env/.made-$1" ] && [ "$(cat "$env/.made-$1")" = "$2" ] && fits "$python"; }
case $what in
    run) made dev "$dev_stamp" && exit 0; made run "$run_stamp" && exit 0 ;;
    dev) made dev "$dev_stamp" && exit 0 ;;
    uv) fits "$python" && [ -x "$uv" ] && exit 0 ;;
    *) say "expected run, dev or uv, got $what"; exit 2 ;;
esac

find_python() {
    for candidate in ${PYTHON:+"$PYTHON"} /usr/bin/python3 python3.12 python3.11 python3; do
        if command -v "$candidate" >/dev/null 2>&1 && fits "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    say "Python 3.11 or 3.12 is needed; here is $(python3 --version 2>&1 || echo none)."
    say "With one that is elsewhere: PYTHON=/path/to/python3.12 make run"
    return 1
}

if ! fits "$python"; then
    base=$(find_python)
    say "making .venv with $base ($("$base" --version))"
    rm -rf "$env"
    "$base" -m venv --without-pip "$env"
fi

# uv, in the locked version, by whatever pip is here: it installs into .venv from outside, so that the system's
# Python stays as it is (PEP 668).
wanted=$(sed -n 's/^uv==\([^ ]*\).*/\1/p' requirements-uv.lock)
if ! [ -x "$uv" ] || [ "$("$uv" --version | cut -d' ' -f2)" != "$wanted" ]; then
    say "fetching uv $wanted with pip"
    base=$("$python" -c 'import sys; print(sys._base_executable)')
    for pip in "$base -m pip" "/usr/bin/python3 -m pip" "python3 -m pip" pip3 pip; do
        $pip --version >/dev/null 2>&1 && break
        pip=
    done
    [ -n "$pip" ] || { say "pip is needed (apt-get install python3-pip)"; exit 1; }
    $pip --python "$python" --disable-pip-version-check -q install --no-deps --require-hashes -r requirements-uv.lock
fi
[ "$what" = uv ] && exit 0

# The lock holds every hash, so it does not matter whose copy of the registry answers. Bytecode is compiled now:
# a gateway that starts again must not wait for it.
say "installing the packages of the lock ($what)"
if [ "$what" = dev ]; then
    "$uv" --system-certs pip sync --python "$python" --require-hashes --compile-bytecode requirements-dev.lock >&2
else
    "$uv" --system-certs pip install --python "$python" --require-hashes --compile-bytecode -r requirements.lock >&2
fi

# Tandem itself runs from here.
printf '%s\n' "$here" >"$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/tandem-checkout.pth"
printf '#!/bin/sh\nexec "%s" -m tandem "$@"\n' "$python" >"$env/bin/tandem"
chmod +x "$env/bin/tandem"

if [ "$what" = dev ]; then printf '%s\n' "$dev_stamp" >"$env/.made-dev"; else printf '%s\n' "$run_stamp" >"$env/.made-run"; fi
say "ready after $(($(date +%s) - started)) s"

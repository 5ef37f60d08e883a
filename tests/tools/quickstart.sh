#!/usr/bin/env bash
# Runs the quickstart with the programs of a build folder, checks what it says, and that it leaves nothing running.
# usage: quickstart.sh BUILD_FOLDER [LIBRARY_TO_PRELOAD]
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
work=$build/quickstart-test

output=$(SKS_QUICKSTART_BUILD=$build SKS_QUICKSTART_PRELOAD=${2:-} "$source/scripts/quickstart" "$work")
printf '%s\n' "$output"

expect() {
  grep -qE -- "$1" <<<"$output" || {
    echo "quickstart.sh: expected a line that matches: $1" >&2
    exit 1
  }
}
expect '^ +keygen2://\?init=https%3A'
expect 'ec\.nist\.p256 +authentication +3 tries are left'
expect 'rsa2048 +signature +3 tries are left'
expect 'You are CN=Jo Doe'
expect 'PIN is wrong; 2 tries are left'
expect "everything is in $work\$"

issuer=$(sed -n 's/.*answers, process \([0-9]*\)$/\1/p' <<<"$output")
[ -n "$issuer" ] || { echo "quickstart.sh: the issuer's process was not named" >&2; exit 1; }
if kill -0 "$issuer" 2>/dev/null; then
  echo "quickstart.sh: the issuer still runs" >&2
  exit 1
fi

# A folder that quickstart did not make is left alone.
mkdir -p "$work/other"
if SKS_QUICKSTART_BUILD=$build "$source/scripts/quickstart" "$work/other" >/dev/null 2>&1; then
  echo "quickstart.sh: it took over a folder of somebody else's" >&2
  exit 1
fi
[ -d "$work/other" ]

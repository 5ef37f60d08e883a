#!/usr/bin/env bash
# Runs the quickstart with the programs of a build folder, checks what it says, and that it leaves nothing running.
# usage: quickstart.sh BUILD_FOLDER
set -euo pipefail
source=$(cd "$(dirname "$0")/../.." && pwd)
build=$1
work=$build/quickstart-test

# A sanitized module brings the sanitizer into curl late, and curl's own leaks are not ours to judge. (Preloading the
# sanitizer instead makes curl hang in setlocale.)
export ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0
output=$(SKS_QUICKSTART_BUILD=$build "$source/scripts/quickstart" "$work")
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

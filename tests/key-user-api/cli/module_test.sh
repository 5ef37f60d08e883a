# What tests have in common that let programs of others use the module: a folder $work, gone at the end as is the sksd of the store
# in it, and ways to fail and to skip. The including script has set -euo pipefail.
test_name=$(basename "$0" _test.sh)
# A sanitized module brings the sanitizer into programs that have none, late.
export ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0
work=$(mktemp -d)
# A sksd that the module has started would stay for a while.
clean_up() {
  local holder
  holder=$(cat "$work"/{store,home/.local/share/sks/default}/lock 2>/dev/null || true)
  [ "$(cat "/proc/${holder:-0}/comm" 2>/dev/null)" != sksd ] || kill "$holder"
  rm -rf "$work"
}
trap clean_up EXIT
fail() {
  echo "$test_name: $*" >&2
  exit 1
}
# needs PROGRAM...
needs() {
  local program
  for program in "$@"; do
    command -v "$program" >/dev/null || { echo "$test_name: no $program here"; exit 77; }
  done
}

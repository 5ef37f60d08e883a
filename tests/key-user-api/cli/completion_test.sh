#!/usr/bin/env bash
# Lets a real bash complete command lines of sks.
#
# usage: completion_test.sh SKS
set -euo pipefail
sks=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
touch letter.txt key.p12

"$sks" completion bash >completion
bash -n completion
# shellcheck source=/dev/null
. ./completion
[ "$(complete -p sks)" = 'complete -o filenames -F _sks sks' ] || { echo "completion: sks is not completed"; exit 1; }

# The words that bash offers for the command line, whose last word is the one that is typed.
offered() {
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  COMPREPLY=()
  _sks
  printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' '
}
expect() {
  local wanted=$1
  shift
  local got
  got=$(offered "$@")
  [ "$got" = "$wanted" ] || { echo "completion of '$*': '$got', not '$wanted'"; exit 1; }
}
includes() {
  local wanted=$1
  shift
  [[ " $(offered "$@")" == *" $wanted "* ]] || { echo "completion of '$*' lacks '$wanted': $(offered "$@")"; exit 1; }
}
lacks() {
  local unwanted=$1
  shift
  [[ " $(offered "$@")" != *" $unwanted "* ]] || { echo "completion of '$*' has '$unwanted'"; exit 1; }
}

includes verify sks ''
expect 'suspend ' sks su
expect 'change check unblock ' sks pin ''
expect 'chromium ' sks integrate c
expect '--out ' sks sign --o
includes --store sks sign --
lacks --signature sks sign --
includes --signature sks verify --
expect 'letter.txt ' sks sign 1 --in l
expect 'file passphrase tpm2 ' sks init --protect ''
# The value of an option is no command, and options in front of the command do not hide it.
expect 'change check unblock ' sks --store pin pin ''
expect '--new-passphrase-file ' sks --persona work reprotect --n
expect 'key.p12 ' sks import k

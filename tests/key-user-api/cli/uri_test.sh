#!/usr/bin/env bash
# Compares the URIs of 'sks list --uri' with those that GnuTLS makes of the module, and lets programs find keys by them.
#
# usage: uri_test.sh SKS SKSD MODULE
set -euo pipefail
sks=$1
sksd=$2
module=$3

. "$(dirname "$0")/module_test.sh"
needs p11tool openssl

# The module may have to find sksd.
PATH=$(dirname "$sksd"):$PATH
export SKS_STORE=$work/store XDG_RUNTIME_DIR=$work/run HOME=$work
mkdir -m 700 "$XDG_RUNTIME_DIR"
"$sks" init >/dev/null
"$sks" key create --no-pin --label 'A key; 100% /?&=äöü' >/dev/null
"$sks" key create --no-pin --label Second --algorithm rsa2048 >/dev/null

"$sks" list --uri --json >"$work/ours"
ours() { python3 -c '
import json, sys
for key in json.load(open(sys.argv[1])):
    print(key["uris"][sys.argv[2]])' "$work/ours" "$1" | sort; }
# p11tool tells the URIs as p11-kit writes them.
theirs() { p11tool --provider "$module" "$@" 2>/dev/null | sed -n 's/^\tURL: //p' | grep "type=$type" | sort; }

# Those of keys: the device certificate has no key that a program may use.
type=private
ids=$(theirs --list-privkeys | grep -o 'id=[^;]*')
type=cert
[ "$(ours cert)" = "$(theirs --list-all-certs | grep -F "$ids")" ] ||
  fail "certificates: $(ours cert) and $(theirs --list-all-certs)"
type=private
[ "$(ours private)" = "$(theirs --list-privkeys)" ] || fail "keys: $(ours private) and $(theirs --list-privkeys)"

while read -r uri; do
  p11tool --provider "$module" --export "$uri" 2>/dev/null | openssl x509 -noout || fail "p11tool does not find $uri"
done < <(ours cert)

# OpenSSL, as 'sks integrate openssl' sets it up.
"$sks" integrate openssl --module "$module" >/dev/null
export OPENSSL_CONF=$work/.config/sks/openssl.cnf
openssl engine pkcs11 2>/dev/null | grep -q pkcs11 || exit 0
echo message >"$work/text"
while read -r uri; do
  openssl dgst -engine pkcs11 -keyform engine -sha256 -sign "$uri" -out "$work/signature" "$work/text" 2>"$work/said" ||
    fail "OpenSSL does not find $uri: $(cat "$work/said")"
  "$sks" verify "$uri" --in "$work/text" --signature "$work/signature" >/dev/null ||
    fail "sks does not verify what OpenSSL signed with $uri"
done < <(ours private)

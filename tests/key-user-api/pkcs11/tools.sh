#!/bin/bash
# What tests/clients cannot show with keys that a user brought: the tokens of an issuer, the states of a PIN, and no store at all.
# usage: tools.sh MODULE MAKE_STORE SKSD
set -u
MODULE=$1 MAKE_STORE=$2
PIN=1234 SECOND_PIN=567890

for program in pkcs11-tool openssl; do
  command -v $program >/dev/null || { echo "SKIP: $program is not installed"; exit 77; }
done
[ -n "$(find /usr/lib -path '*engines-3*' -name pkcs11.so -print -quit)" ] ||
  { echo "SKIP: the pkcs11 engine of OpenSSL is not installed"; exit 77; }

W=$(mktemp -d)
trap 'rm -rf "$W"' EXIT
. "$(dirname "$0")/../../support/checks.sh"
cd "$W" || exit 1

mkdir -m 700 run
printf '#!/bin/sh\nexec "%s" --idle-exit 2 "$@"\n' "$3" >sksd
chmod 700 sksd
export SKS_STORE=$W/store SKS_CA=$W/ca.pem SKS_SKSD=$W/sksd XDG_RUNTIME_DIR=$W/run XDG_STATE_HOME=$W
"$MAKE_STORE" >log 2>&1 || { cat log; exit 1; }
# A sanitized module brings the sanitizer in late. Preloading it would stop Debian's pkcs11-tool at a read of freed memory of its own.
export ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0

tool() { timeout 120 pkcs11-tool --module "$MODULE" "$@"; }
label_of() { tool -L 2>/dev/null | sed -n "s/^ *token label *: *\($1.*\)\$/\1/p"; }
LABEL=$(label_of 'main\.example\.com') SECOND=$(label_of 'second\.example\.com')
[ -n "$LABEL" ] && [ -n "$SECOND" ] || { bad "the tokens are not listed"; tool -L; exit 1; }
main() { tool --token-label "$LABEL" "$@"; }
user() { main --login --pin $PIN "$@"; }
id_of() { main -O --type cert 2>/dev/null | awk -v label="$1" '/label:/{found=($2==label)} /^ *ID:/&&found{print $2}'; }

check_says "flags" "login required, rng, token initialized, PIN initialized" tool -L
check_says "sensitive keys" "sensitive, always sensitive" user -O
for name in ec rsa; do
  check "read certificate of $name" main --read-object --type cert --id "$(id_of $name)" -o $name.der
  openssl x509 -inform DER -in $name.der -out $name.pem
  check "  its path holds" openssl verify -CAfile ca.pem $name.pem
done

# A key that the store lets sign hashes of SHA-256 and nothing else: what the module offers besides must not mislead.
printf '%s\n' 'openssl_conf = main' '[main]' 'engines = engines' '[engines]' 'pkcs11 = pkcs11' '[pkcs11]' 'engine_id = pkcs11' \
  "MODULE_PATH = $MODULE" 'init = 0' >openssl.cnf
check "engine: dgst -sign with a key for SHA-256 only" env OPENSSL_CONF="$W/openssl.cnf" openssl dgst -engine pkcs11 \
  -keyform engine -sign "pkcs11:token=$SECOND;object=sha256%20only;type=private;pin-value=$SECOND_PIN" -sha256 -out s openssl.cnf

check_says "no store" "sksd: no key store in " env SKS_STORE="$W/absent" pkcs11-tool --module "$MODULE" -L
check_says "wrong PIN" "CKR_PIN_INCORRECT" main --login --pin 9999 -O
check_says "  shows in the flags" "user PIN count low" tool -L
check "right PIN afterwards" user -O
for _ in 1 2 3; do main --login --pin 9999 -O >/dev/null 2>&1; done
check_says "locked PIN: flags" "user PIN locked" tool -L
check_says "  the right one is refused" "CKR_PIN_LOCKED" user -O
echo "$PASSED passed, $FAILED failed"
[ $FAILED = 0 ]

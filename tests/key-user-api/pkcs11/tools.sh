#!/bin/bash
# Uses the module through programs that nobody here wrote: pkcs11-tool, p11tool, openssl with its pkcs11 engine, curl.
# usage: tools.sh MODULE MAKE_STORE SKSD
set -u
MODULE=$1 MAKE_STORE=$2
PIN=1234 SECOND_PIN=567890

for program in pkcs11-tool openssl curl; do
  command -v $program >/dev/null || { echo "SKIP: $program is not installed"; exit 77; }
done
[ -n "$(find /usr/lib -path '*engines-3*' -name pkcs11.so -print -quit)" ] ||
  { echo "SKIP: the pkcs11 engine of OpenSSL is not installed"; exit 77; }

W=$(mktemp -d)
SERVER=
cleanup() {
  [ -z "$SERVER" ] || kill "$SERVER" 2>/dev/null
  rm -rf "$W"
}
trap cleanup EXIT
cd "$W" || exit 1

FAILED=0
# check NAME COMMAND...: the command must succeed.
check() {
  local name=$1
  shift
  if "$@" >log 2>&1; then
    echo "ok   $name"
  else
    echo "FAIL $name"
    sed 's/^/     /' log | tail -12
    FAILED=1
  fi
}
# check_says NAME TEXT COMMAND...: the command must print the text, whatever it thinks of it.
check_says() {
  local name=$1 text=$2
  shift 2
  "$@" >log 2>&1
  if grep -qF -- "$text" log; then
    echo "ok   $name"
  else
    echo "FAIL $name: no \"$text\""
    sed 's/^/     /' log | tail -12
    FAILED=1
  fi
}
# foreign COMMAND...: a program that loads the module.
# A sanitized module brings the sanitizer in late. Preloading it would make Debian's curl hang in setlocale() and stop
# Debian's pkcs11-tool at a read of freed memory of its own.
late_sanitizer=verify_asan_link_order=0:detect_leaks=0
foreign() { ASAN_OPTIONS=$late_sanitizer timeout 30 "$@"; }

mkdir -m 700 run
printf '#!/bin/sh\nexec "%s" --idle-exit 2 "$@"\n' "$3" >sksd
chmod 700 sksd
export SKS_STORE=$W/store SKS_CA=$W/ca.pem SKS_SKSD=$W/sksd XDG_RUNTIME_DIR=$W/run XDG_STATE_HOME=$W
"$MAKE_STORE" >log 2>&1 || { cat log; exit 1; }
echo "to be signed" >data
openssl dgst -sha256 -binary data >digest

tool() { foreign pkcs11-tool --module "$MODULE" "$@"; }
LABEL=$(tool -L 2>/dev/null | sed -n 's/^ *token label *: *\(main\.example\.com.*\)$/\1/p')
SECOND=$(tool -L 2>/dev/null | sed -n 's/^ *token label *: *\(second\.example\.com.*\)$/\1/p')
[ -n "$LABEL" ] && [ -n "$SECOND" ] || { echo "FAIL the tokens are not listed"; tool -L; exit 1; }
main() { tool --token-label "$LABEL" "$@"; }
user() { main --login --pin $PIN "$@"; }
id_of() { main -O --type cert 2>/dev/null | awk -v label="$1" '/label:/{found=($2==label)} /^ *ID:/&&found{print $2}'; }

# pkcs11-tool
check_says "pkcs11-tool -L: flags" "login required, rng, token initialized, PIN initialized" tool -L
check_says "pkcs11-tool -M" "ECDSA-SHA256" main -M
check_says "pkcs11-tool -O: certificate" "Certificate Object" main -O
check_says "pkcs11-tool -O: public key" "Public Key Object" main -O
check "pkcs11-tool -O: no private key without login" sh -c "! grep -q 'Private Key' log"
check_says "pkcs11-tool -O --login: private key" "Private Key Object; EC" user -O
check_says "pkcs11-tool: sensitive keys" "sensitive, always sensitive" user -O
EC=$(id_of ec) RSA=$(id_of rsa)
[ -n "$EC" ] && [ -n "$RSA" ] || { echo "FAIL no ids"; main -O; exit 1; }
for key in ec:$EC rsa:$RSA; do
  name=${key%%:*} id=${key##*:}
  check "read certificate of $name" main --read-object --type cert --id "$id" -o "$name.der"
  check "its path holds" sh -c "openssl x509 -inform DER -in $name.der -out $name.pem && openssl verify -CAfile ca.pem $name.pem"
  openssl x509 -in "$name.pem" -noout -pubkey >"$name.pub"
  check "read public key of $name" main --read-object --type pubkey --id "$id" -o "$name.spki"
  check "it is the certificate's" sh -c "openssl pkey -pubin -inform DER -in $name.spki -pubout | cmp - $name.pub"
done
check "sign ECDSA" user --sign -m ECDSA --id "$EC" -i digest -o s --signature-format openssl
check "  verified by openssl" openssl dgst -sha256 -verify ec.pub -signature s data
check "sign ECDSA-SHA256" user --sign -m ECDSA-SHA256 --id "$EC" -i data -o s --signature-format openssl
check "  verified by openssl" openssl dgst -sha256 -verify ec.pub -signature s data
head -c 100000 /dev/zero >large
check "sign ECDSA-SHA256 in parts" user --sign -m ECDSA-SHA256 --id "$EC" -i large -o s --signature-format openssl
check "  verified by openssl" openssl dgst -sha256 -verify ec.pub -signature s large
check "sign SHA256-RSA-PKCS" user --sign -m SHA256-RSA-PKCS --id "$RSA" -i data -o s
check "  verified by openssl" openssl dgst -sha256 -verify rsa.pub -signature s data
check_says "wrong PIN" "CKR_PIN_INCORRECT" main --login --pin 9999 -O
check_says "shows in the flags" "user PIN count low" tool -L
check "right PIN afterwards" user -O

# p11tool (GnuTLS)
if command -v p11tool >/dev/null; then
  export GNUTLS_PIN=$PIN
  check "p11tool --list-all" foreign p11tool --provider "$MODULE" --login --list-all "pkcs11:token=$LABEL"
  for name in ec rsa; do
    check "p11tool --test-sign $name" foreign p11tool --provider "$MODULE" --login --test-sign "pkcs11:token=$LABEL;object=$name;type=private"
  done
fi

# openssl with the pkcs11 engine as the default for everything, which includes what the module itself does
cat >openssl.cnf <<CONF
openssl_conf = main
[main]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
MODULE_PATH = $MODULE
init = 0
CONF
with_engine() { OPENSSL_CONF=$W/openssl.cnf foreign openssl "$@"; }
uri() { echo "pkcs11:token=$LABEL;object=$1;type=$2"; }
for name in ec rsa; do
  check "engine: dgst -sign $name" with_engine dgst -engine pkcs11 -keyform engine -sign "$(uri $name private);pin-value=$PIN" -sha256 -out s data
  check "  verified by openssl" openssl dgst -sha256 -verify $name.pub -signature s data
done
check "engine: dgst -sign with a key for SHA-256 only" with_engine dgst -engine pkcs11 -keyform engine \
  -sign "pkcs11:token=$SECOND;object=sha256%20only;type=private;pin-value=$SECOND_PIN" -sha256 -out s data

# TLS: a server that demands a client certificate
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout server.key -out server.pem -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -addext extendedKeyUsage=serverAuth >/dev/null 2>&1
start_server() { # sets PORT
  : >server.log
  openssl s_server -accept 127.0.0.1:0 -cert server.pem -key server.key -CAfile ca.pem -Verify 3 -verify_return_error -www \
    "$@" >server.log 2>&1 &
  SERVER=$!
  PORT=
  for _ in $(seq 100); do
    PORT=$(sed -n 's/^ACCEPT 127\.0\.0\.1:\([0-9]*\)$/\1/p' server.log)
    [ -n "$PORT" ] && return
    sleep 0.05
  done
  echo "FAIL the TLS server did not start"; cat server.log; exit 1
}
stop_server() { kill "$SERVER"; wait "$SERVER" 2>/dev/null; SERVER=; }
s_client() { # NAME
  printf 'GET / HTTP/1.0\r\n\r\n' | with_engine s_client -connect "127.0.0.1:$PORT" -engine pkcs11 -keyform engine \
    -key "$(uri "$1" private);pin-value=$PIN" -cert "$1.pem" -CAfile server.pem -quiet
}
# tls NAME SERVER_OPTION...: the server must have seen the certificate of NAME.
tls() {
  local name=$1
  shift
  start_server "$@"
  check_says "s_client with $name, server $*" "CN=$name user" s_client "$name"
  stop_server
  start_server "$@"
  PKCS11_MODULE_PATH=$MODULE check_says "curl with $name, server $*" "CN=$name user" foreign curl -sS \
    --cacert server.pem --engine pkcs11 --key-type ENG --cert-type ENG --cert "$(uri "$name" cert)" \
    --key "$(uri "$name" private);pin-value=$PIN" "https://localhost:$PORT/"
  stop_server
}
tls ec -tls1_2
tls ec -tls1_3

tls rsa -tls1_2
tls rsa -tls1_3

# Refusals
check_says "no store" "sksd: no key store in " env SKS_STORE="$W/absent" ASAN_OPTIONS=$late_sanitizer \
  pkcs11-tool --module "$MODULE" -L
for _ in 1 2 3; do main --login --pin 9999 -O >/dev/null 2>&1; done
check_says "locked PIN: flags" "user PIN locked" tool -L
check_says "locked PIN: the right one is refused" "CKR_PIN_LOCKED" user -O
exit $FAILED

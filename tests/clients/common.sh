# What the tests of applications have in common. Each is run as NAME.sh BUILD-FOLDER and uses one application that nobody here
# wrote, over loopback, with the module of that build.
#
# $MODULE, $TOKEN and $PIN lead to an EC P-256 key (CKA_ID $ECID, CN=ecuser) and an RSA-2048 key ($RSAID, CN=rsauser), both
# with a certificate for client authentication of the authority $W/ca.pem. Nothing runs yet: the module starts sksd itself.
# All is below $W, also HOME and XDG_RUNTIME_DIR, and gone at the end, as is what was started.
#
# SKS_CLIENTS_PEER=1 uses SoftHSM2 instead: what fails there too may be the test's own fault.
# SKS_CLIENTS_TABLE=FILE collects what docs/clients.md has, one line for each application.
set -u
BUILD=$(readlink -f "${1:?usage: $(basename "$0") BUILD-FOLDER}")
SCRIPT=$(basename "$0" .sh)
HERE=$(cd "$(dirname "$0")" && pwd)
W=$(mktemp -d "/tmp/sks-$SCRIPT-XXXXXX")
PIN=271828
STARTED=()

cleanup() {
  local process
  for process in "${STARTED[@]}"; do kill "$process" 2>/dev/null; done
  # Daemons of this store, whose name nobody else has.
  for process in $(grep -lsF "$W/" /proc/[0-9]*/cmdline | cut -d/ -f3); do
    [ "$process" = $$ ] || kill "$process" 2>/dev/null
  done
  [ -n "${SKS_CLIENTS_KEEP:-}" ] && echo "kept: $W" || rm -rf "$W"
}
trap cleanup EXIT

skip() {
  echo "SKIP: $*"
  exit 77
}
# needs PROGRAM...: Debian's packages for them are the group "clients" of scripts/install-packages.
needs() {
  local program
  for program in pkcs11-tool openssl "$@"; do
    command -v "$program" >/dev/null || skip "$program is not installed (scripts/install-packages clients)"
  done
}
needs

. "$(dirname "${BASH_SOURCE[0]}")/../support/checks.sh"
# background COMMAND...: until the end.
background() {
  "$@" </dev/null &
  STARTED+=($!)
}
wait_for() { # COMMAND...: up to two minutes, for a busy machine
  local _
  for _ in $(seq 1200); do
    "$@" >/dev/null 2>&1 && return
    sleep 0.1
  done
  return 1
}
# exercised CLIENT VERSION WHAT: the last line of each test.
exercised() {
  local line="| $1 | $2 | $3 |"
  [ $FAILED = 0 ] && [ $PASSED -gt 0 ] && [ -n "${SKS_CLIENTS_TABLE:-}" ] && echo "$line" >>"$SKS_CLIENTS_TABLE"
  echo "$PASSED passed, $FAILED failed"
  echo "$line"
  [ $FAILED = 0 ] && [ $PASSED -gt 0 ] || exit 1
  exit 0
}
# version_of PACKAGE: as Debian counts, without its own part.
version_of() { dpkg-query --show --showformat='${source:Upstream-Version}' "$1" 2>/dev/null || echo "?"; }

make_authority() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$W/ca.key" -out "$W/ca.pem" -days 30 \
    -subj "/CN=Clients CA" -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}
# certificate NAME SUBJECT EXTENSIONS KEY-OPTION...: a key and its certificate
certificate() {
  local name=$1 subject=$2 extensions=$3
  shift 3
  openssl req -newkey "$@" -nodes -keyout "$W/$name.key" -out "$W/$name.csr" -subj "$subject" &&
    openssl x509 -req -in "$W/$name.csr" -CA "$W/ca.pem" -CAkey "$W/ca.key" -CAcreateserial -days 30 -out "$W/$name.pem" \
      -extfile <(printf '%s\n' "$extensions" | tr ';' '\n')
}
make_certificates() {
  local user="extendedKeyUsage=clientAuth,emailProtection,codeSigning;keyUsage=digitalSignature,keyEncipherment,keyAgreement"
  local name
  make_authority &&
    certificate server /CN=localhost "subjectAltName=DNS:localhost,IP:127.0.0.1;extendedKeyUsage=serverAuth" \
      ec -pkeyopt ec_paramgen_curve:P-256 &&
    certificate ec /CN=ecuser "$user" ec -pkeyopt ec_paramgen_curve:P-256 &&
    certificate rsa /CN=rsauser "$user" rsa:2048 || return 1
  for name in ec rsa; do
    openssl pkcs12 -export -inkey "$W/$name.key" -in "$W/$name.pem" -certfile "$W/ca.pem" -out "$W/$name.p12" \
      -passout pass:import -name "${name}user" || return 1
    openssl x509 -in "$W/$name.pem" -noout -pubkey >"$W/$name.pub"
  done
}

# The user brings keys with their certificates, and gives them a PIN.
provision_store() {
  local handle
  export SKS_STORE=$W/store SKS_SKSD=$BUILD/bin/sksd
  unset SKS_SOCKET SKS_PERSONA XDG_STATE_HOME
  # p11-kit knows SoftHSM2 too where that is installed, and its empty token is none for systemd-cryptenroll.
  export SOFTHSM2_CONF=$W/absent
  MODULE=$BUILD/lib/libsks-pkcs11.so
  echo import >"$W/import-passphrase"
  chmod 600 "$W/import-passphrase"
  sks() { "$BUILD/bin/sks" "$@"; }
  sks init --name "Clients device" &&
    sks import "$W/ec.p12" --import-passphrase-file "$W/import-passphrase" --pin $PIN &&
    handle=$(sks list --json | sed -n 's/.*"handle": *\([0-9]*\).*/\1/p' | head -n 1) &&
    sks import "$W/rsa.p12" --import-passphrase-file "$W/import-passphrase" --pin $PIN --pin-of "$handle"
}
provision_peer() {
  local name id
  MODULE=$(find /usr/lib -name libsofthsm2.so -print -quit)
  mkdir "$W/softhsm"
  export SOFTHSM2_CONF=$W/softhsm2.conf
  printf 'directories.tokendir = %s\nobjectstore.backend = file\nlog.level = ERROR\n' "$W/softhsm" >"$SOFTHSM2_CONF"
  softhsm2-util --init-token --free --label "Clients token" --pin $PIN --so-pin 12345678 || return 1
  for name in ec:01 rsa:02; do
    id=${name##*:} name=${name%%:*}
    softhsm2-util --import <(openssl pkcs8 -topk8 -nocrypt -in "$W/$name.key") --token "Clients token" --pin $PIN \
      --label "${name}user" --id "$id" || return 1
    openssl x509 -in "$W/$name.pem" -outform DER -out "$W/$name.der"
    pkcs11-tool --module "$MODULE" --token-label "Clients token" --login --pin $PIN --write-object "$W/$name.der" --type cert \
      --id "$id" --label "${name}user" || return 1
  done
}
provision() {
  mkdir -p "$W/home" && mkdir -m 700 "$W/run" || return 1
  export HOME=$W/home XDG_RUNTIME_DIR=$W/run
  cd "$W" && make_certificates || return 1
  if [ -n "${SKS_CLIENTS_PEER:-}" ]; then provision_peer; else provision_store; fi
}
if ! provision >"$W/provision.log" 2>&1; then
  echo "FAIL the keys could not be made"
  tail -20 "$W/provision.log"
  exit 1
fi
# A sanitized module brings the sanitizer into programs that have none, late.
export ASAN_OPTIONS=verify_asan_link_order=0:detect_leaks=0

tool() { timeout 120 pkcs11-tool --module "$MODULE" "$@"; }
# The first token that wants a login.
TOKEN=$(tool -L 2>"$W/log" | awk '/token label/{sub(/^[^:]*: */, ""); label=$0} /token flags/&&/login required/{print label; exit}')
[ -n "$TOKEN" ] || { bad "there is no token with a PIN"; tool -L; exit 1; }
id_of() { tool --token-label "$TOKEN" -O --type cert 2>/dev/null | awk -v label="$1" '/label:/{found=($2==label)} /ID:/&&found{print $2; exit}'; }
ECID=$(id_of ecuser) RSAID=$(id_of rsauser)
[ -n "$ECID" ] && [ -n "$RSAID" ] || { bad "the certificates are not there"; tool --token-label "$TOKEN" -O; exit 1; }
for pair in "ec $ECID" "rsa $RSAID"; do
  tool --token-label "$TOKEN" --read-object --type cert --id "${pair#* }" -o "$W/read.der" >"$W/log" 2>&1 &&
    openssl x509 -inform DER -in "$W/read.der" | cmp -s - <(openssl x509 -in "$W/${pair% *}.pem") ||
    { bad "the certificate of the ${pair% *} key is another one"; exit 1; }
done
key_id() { [ "$1" = ec ] && echo "$ECID" || echo "$RSAID"; }

percent() { local LC_ALL=C; printf %s "$1" | od -An -v -tx1 | tr -d '\n' | sed 's/ /%/g'; }
# uri ec|rsa private|public|cert: RFC 7512
token_uri() { echo "pkcs11:token=$(percent "$TOKEN")"; }
uri() { echo "$(token_uri);id=$(key_id "$1" | sed 's/../%&/g');type=$2"; }

free_port() {
  local port
  for _ in $(seq 50); do
    port=$((20000 + RANDOM % 20000))
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
# start_server COMMAND...: one that says "ACCEPT 127.0.0.1:PORT" when it listens. Sets PORT.
start_server() {
  : >"$W/server.log"
  background "$@" >"$W/server.log" 2>&1
  wait_for grep -q '^ACCEPT ' "$W/server.log"
  PORT=$(sed -n 's/^ACCEPT 127\.0\.0\.1:\([0-9]*\)$/\1/p' "$W/server.log")
  [ -n "$PORT" ] || { bad "the TLS server does not start"; cat "$W/server.log"; exit 1; }
}
# A TLS server that lets in who has a certificate of the authority, and shows in its answer who that is.
start_tls_server() { # OPTION...
  start_server openssl s_server -accept 127.0.0.1:0 -cert "$W/server.pem" -key "$W/server.key" -CAfile "$W/ca.pem" -Verify 3 \
    -verify_return_error -www "$@"
}

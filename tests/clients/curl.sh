#!/bin/bash
# curl logs in to a TLS server with a certificate and key of the token.
. "$(dirname "$0")/common.sh"
needs curl
export PKCS11_MODULE_PATH=$MODULE
fetch() { # KEY OPTION...
  local key=$1
  shift
  timeout 30 curl -sS "$@" --cacert ca.pem --engine pkcs11 --key-type ENG --cert-type ENG --cert "$(uri "$key" cert)" \
    --key "$(uri "$key" private);pin-value=$PIN" "https://localhost:$PORT/"
}
for key in ec rsa; do
  start_tls_server
  check_says "TLS 1.2 with $key" "CN *= *${key}user" fetch $key --tlsv1.2 --tls-max 1.2
  check_says "TLS 1.3 with $key" "CN *= *${key}user" fetch $key --tlsv1.3
done
check_fails "without a certificate" timeout 30 curl -sS --cacert ca.pem "https://localhost:$PORT/"
exercised "curl" "$(version_of curl)" "TLS client login over the engine, TLS 1.2 and 1.3, EC and RSA"

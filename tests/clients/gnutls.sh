#!/bin/bash
# GnuTLS: client and server with keys of the token, requests, CMS.
. "$(dirname "$0")/common.sh"
needs gnutls-cli gnutls-serv certtool
export GNUTLS_PIN=$PIN
client() { # KEY VERSION
  printf 'GET / HTTP/1.0\r\n\r\n' | timeout 30 gnutls-cli --provider "$MODULE" --priority "NORMAL:-VERS-ALL:+VERS-TLS$2" \
    --x509cafile ca.pem --x509certfile "$(uri "$1" cert)" --x509keyfile "$(uri "$1" private)" -p "$PORT" localhost
}
connect() { echo Q | timeout 30 openssl s_client -connect "127.0.0.1:$PORT" -CAfile ca.pem; }
printf 'cn = x\n' >template
for key in ec rsa; do
  for version in 1.2 1.3; do
    start_tls_server
    check_says "gnutls-cli, TLS $version with $key" "CN *= *${key}user" client $key $version
  done
  PORT=$(free_port)
  background gnutls-serv --provider "$MODULE" --x509certfile "$(uri $key cert)" --x509keyfile "$(uri $key private)" -p "$PORT" \
    --http -q >serv.log 2>&1
  wait_for listens "$PORT"
  check_says "gnutls-serv with $key" "CN = ${key}user" connect
  check "certtool --generate-request with $key" certtool --provider "$MODULE" --generate-request --load-privkey "$(uri $key private)" \
    --load-pubkey "$(uri $key public)" --template template --outfile request
  check "  its signature holds" openssl req -in request -verify -noout
done
exercised "GnuTLS (gnutls-cli, gnutls-serv, certtool)" "$(version_of gnutls-bin)" "TLS client and server with TLS 1.2 and 1.3, certificate requests"

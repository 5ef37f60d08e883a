#!/bin/bash
# openssl with the pkcs11 engine of libp11 as the default for everything: signatures, requests, TLS.
. "$(dirname "$0")/common.sh"
[ -n "$(find /usr/lib -path '*engines-3*' -name pkcs11.so -print -quit)" ] || skip "libengine-pkcs11-openssl is not installed"
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
[req]
distinguished_name = name
[name]
CONF
with_engine() { OPENSSL_CONF=$W/openssl.cnf timeout 60 openssl "$@"; }
s_client() { # KEY OPTION...
  local key=$1
  shift
  printf 'GET / HTTP/1.0\r\n\r\n' | with_engine s_client -connect "127.0.0.1:$PORT" -engine pkcs11 -keyform engine \
    -key "$(uri "$key" private);pin-value=$PIN" -cert "$key.pem" -CAfile ca.pem -quiet "$@"
}
echo "to be signed" >data
for key in ec rsa; do
  private="$(uri $key private);pin-value=$PIN"
  check "dgst -sign $key" with_engine dgst -engine pkcs11 -keyform engine -sign "$private" -sha256 -out signature data
  check "  verified by openssl" openssl dgst -sha256 -verify $key.pub -signature signature data
  check "certificate request $key" with_engine req -engine pkcs11 -keyform engine -key "$private" -new -subj /CN=x -out request
  check "  its signature holds" openssl req -in request -verify -noout
  for version in tls1_2 tls1_3; do
    start_tls_server -$version
    check_says "s_client -$version with $key" "CN *= *${key}user" s_client $key -$version
  done
done
check "pkeyutl -sign RSA-PSS" with_engine pkeyutl -engine pkcs11 -keyform engine -sign -inkey "$(uri rsa private);pin-value=$PIN" \
  -pkeyopt digest:sha256 -pkeyopt rsa_padding_mode:pss -pkeyopt rsa_pss_saltlen:32 -in <(openssl dgst -sha256 -binary data) -out signature
check "  verified by openssl" openssl dgst -sha256 -verify rsa.pub -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32 -signature signature data
openssl pkeyutl -encrypt -pubin -inkey rsa.pub -in data -out encrypted
check "pkeyutl -decrypt RSA" with_engine pkeyutl -engine pkcs11 -keyform engine -decrypt -inkey "$(uri rsa private);pin-value=$PIN" -in encrypted -out decrypted
check "  the same text" cmp data decrypted
check_says "wrong PIN" "PIN|pin|unable to load|not load" with_engine dgst -engine pkcs11 -keyform engine -sign "$(uri ec private);pin-value=999999" -sha256 -out signature data
check "right PIN afterwards" with_engine dgst -engine pkcs11 -keyform engine -sign "$(uri ec private);pin-value=$PIN" -sha256 -out signature data
exercised "openssl with engine_pkcs11 (libp11)" "$(version_of openssl), $(version_of libengine-pkcs11-openssl)" "dgst, req, pkeyutl (PSS, RSA decryption), s_client with TLS 1.2 and 1.3"

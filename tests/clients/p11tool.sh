#!/bin/bash
# p11tool of GnuTLS: URIs, test signatures, generation.
. "$(dirname "$0")/common.sh"
needs p11tool
export GNUTLS_PIN=$PIN
p11() { timeout 120 p11tool --provider "$MODULE" "$@"; }
check_says "tokens" "URL: pkcs11:.*token=" p11 --list-tokens
check "mechanisms" p11 --list-mechanisms "$(token_uri)"
check_says "everything" "Private key" p11 --login --list-all "$(token_uri)"
check_says "private keys" "type=private" p11 --login --list-privkeys "$(token_uri)"
check "certificates without login" p11 --list-all-certs "$(token_uri)"
for key in ec rsa; do
  check "export the certificate of $key" p11 --export "$(uri $key cert)" --outfile exported.pem
  check "  it is the right one" bash -c "openssl x509 -in exported.pem | cmp - <(openssl x509 -in $key.pem)"
  check "export the public key of $key" p11 --export-pubkey "$(uri $key private)" --login --outfile exported.pub
  check "  it is the right one" bash -c "openssl pkey -pubin -in exported.pub | cmp - $key.pub"
  check "test signature $key" p11 --login --test-sign "$(uri $key private)"
done
check "generate a pair" p11 --login --generate-privkey=ecdsa --curve=secp256r1 --label p11made --id 7b01 --outfile made.pub "$(token_uri)"
check "  it signs" p11 --login --test-sign "$(token_uri);id=%7b%01;type=private"
check "  delete it" p11 --login --batch --delete "$(token_uri);id=%7b%01;type=private"
exercised "p11tool (GnuTLS)" "$(version_of gnutls-bin)" "listing by URI, export of certificates and public keys, --test-sign, generation, deletion"

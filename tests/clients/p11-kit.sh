#!/bin/bash
# p11-kit server holds the module, and its client module reaches it through a socket.
. "$(dirname "$0")/common.sh"
needs p11-kit
CLIENT=$(find /usr/lib -name p11-kit-client.so -print -quit)
[ -n "$CLIENT" ] || skip "p11-kit-client.so is not installed (scripts/install-packages clients)"
# p11-kit prints the address as shell commands and leaves its starter.
eval "$(timeout 60 p11-kit server --provider "$MODULE" "$(token_uri)" 2>server.log)"
[ -n "${P11_KIT_SERVER_PID:-}" ] || { bad "p11-kit server does not start"; cat server.log; exit 1; }
STARTED+=("$P11_KIT_SERVER_PID")
export P11_KIT_SERVER_ADDRESS
# The starter prints the address before its child has made the socket. Until the child listens p11-kit-client.so has no slots,
# and says nothing. Listening sockets have the flag 00010000.
wait_for grep -qE "00010000 .* ${P11_KIT_SERVER_ADDRESS#unix:path=}\$" /proc/net/unix || bad "p11-kit server does not listen"
remote() { timeout 120 pkcs11-tool --module "$CLIENT" "$@"; }
user() { remote --token-label "$TOKEN" --login --pin $PIN "$@"; }
check_says "slots" "token label" remote -L
check_says "objects" "Private Key Object; EC" user -O
echo "to be signed" >data
openssl dgst -sha256 -binary data >digest
check "sign ECDSA" user --sign -m ECDSA --id "$ECID" -i digest -o signature --signature-format openssl
check "  verified by openssl" openssl dgst -sha256 -verify ec.pub -signature signature data
check "sign SHA256-RSA-PKCS" user --sign -m SHA256-RSA-PKCS --id "$RSAID" -i data -o signature
check "  verified by openssl" openssl dgst -sha256 -verify rsa.pub -signature signature data
openssl pkeyutl -encrypt -pubin -inkey rsa.pub -in data -out encrypted
check "decrypt RSA-PKCS" user --decrypt -m RSA-PKCS --id "$RSAID" -i encrypted -o decrypted
check "  the same text" cmp data decrypted
exercised "p11-kit server and client" "$(version_of p11-kit)" "the module over p11-kit's RPC: listing, login, signatures, decryption"

#!/bin/bash
# pkcs11-tool of OpenSC: nearly every function of PKCS#11, one at a time.
. "$(dirname "$0")/common.sh"
token() { tool --token-label "$TOKEN" "$@"; }
user() { token --login --pin $PIN "$@"; }
export -f tool token user
export MODULE TOKEN PIN

check "slots" tool -L
check "mechanisms" token -M
check_says "objects without login: certificate" "Certificate Object" token -O
check_says "objects without login: public key" "Public Key Object" token -O
check "objects without login: no private key" bash -c 'token -O >o 2>&1 && ! grep -q "Private Key" o'
check_says "objects after login: private keys" "Private Key Object; EC" user -O
check "random" token --generate-random 32 -o random
check "--test" user --test
check "--test-ec" user --session-rw --test-ec --id 7e --key-type EC:prime256v1
check "--test-fork" tool --test-fork
# Three threads: C_Initialize with locking, C_GetInfo, C_GetSlotList.
check "--test-threads" tool --test-threads ILGISL --test-threads ILGISL --test-threads ILGISL

echo "to be signed" >data
head -c 100000 /dev/zero >large
openssl dgst -sha256 -binary data >digest
check "hash" token --hash -m SHA256 -i data -o hash
check "  the same as openssl's" cmp hash digest
# sign MECHANISM KEY INPUT OPTION... and the options of openssl's verification behind --
sign() {
  local mechanism=$1 key=$2 input=$3 own=()
  shift 3
  while [ $# -gt 0 ] && [ "$1" != -- ]; do own+=("$1"); shift; done
  [ $# -gt 0 ] && shift
  check "sign $mechanism, $input" user --sign -m "$mechanism" --id "$(key_id "$key")" -i "$input" -o signature "${own[@]}"
  check "  verified by openssl" openssl dgst -sha256 "$@" -verify $key.pub -signature signature "${verified:-$input}"
}
verified=data sign ECDSA ec digest --signature-format openssl
# What needs a mechanism that SoftHSM2 2.6.1 lacks.
if [ -z "${SKS_CLIENTS_PEER:-}" ]; then
  sign ECDSA-SHA256 ec data --signature-format openssl
  sign ECDSA-SHA256 ec large --signature-format openssl
fi
sign SHA256-RSA-PKCS rsa data
sign SHA256-RSA-PKCS rsa large
sign SHA256-RSA-PKCS-PSS rsa data -- -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:-1
check "verify SHA256-RSA-PKCS-PSS in the token" token --verify -m SHA256-RSA-PKCS-PSS --id "$RSAID" -i data --signature-file signature
check_says "  and not for other data" "nvalid signature|CKR_SIGNATURE_INVALID" token --verify -m SHA256-RSA-PKCS-PSS --id "$RSAID" -i large --signature-file signature

openssl pkeyutl -encrypt -pubin -inkey rsa.pub -in data -out encrypted
check "decrypt RSA-PKCS" user --decrypt -m RSA-PKCS --id "$RSAID" -i encrypted -o decrypted
check "  the same text" cmp data decrypted
openssl pkeyutl -encrypt -pubin -inkey rsa.pub -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha1 -in data -out encrypted
check "decrypt RSA-PKCS-OAEP" user --decrypt -m RSA-PKCS-OAEP --hash-algorithm SHA-1 --mgf MGF1-SHA1 --id "$RSAID" -i encrypted -o decrypted
check "  the same text" cmp data decrypted
openssl ecparam -name prime256v1 -genkey -noout -out peer.key
openssl pkey -in peer.key -pubout -outform DER -out peer.der
openssl pkeyutl -derive -inkey peer.key -peerkey ec.pub -out secret
check "derive ECDH1-DERIVE" user --derive -m ECDH1-DERIVE --id "$ECID" -i peer.der -o derived
check "  the same secret as openssl's" cmp secret derived

check "generate a pair" user --keypairgen --key-type EC:prime256v1 --id 7d01 --label made
check_says "  it is there" "ID: *7d01" user -O --type privkey
check "  and signs" user --sign -m ECDSA --id 7d01 -i digest -o signature
check "  set its id" user --set-id 7d02 --id 7d01 --type privkey
check "delete it" user --delete-object --type privkey --id 7d02
user --delete-object --type pubkey --id 7d02 >/dev/null 2>&1 || user --delete-object --type pubkey --id 7d01 >/dev/null 2>&1
check "  it is gone" bash -c '! user -O | grep -q "ID: *7d0"'
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -outform DER -out brought.der 2>/dev/null
check "bring a private key" user --write-object brought.der --type privkey --id 7c01 --label brought --usage-sign
check "  it signs" user --sign -m ECDSA --id 7c01 -i digest -o signature --signature-format openssl
openssl pkey -inform DER -in brought.der -pubout -out brought.pub
check "  verified by openssl" openssl dgst -sha256 -verify brought.pub -signature signature data
check "  delete it" user --delete-object --type privkey --id 7c01

check_says "wrong PIN" "CKR_PIN_INCORRECT" token --login --pin 99999999 -O
check "right PIN afterwards" user -O
check "change the PIN" token --login --pin $PIN --change-pin --new-pin 314159
check_says "  the old one is wrong" "CKR_PIN_INCORRECT" user -O
check "  the new one is right" token --login --pin 314159 -O
check "  change it back" token --login --pin 314159 --change-pin --new-pin $PIN
exercised "pkcs11-tool (OpenSC)" "$(version_of opensc)" "listing, login, PIN change, --test, --test-ec, --test-fork, --test-threads, signatures (ECDSA, RSA PKCS#1 and PSS), RSA decryption (PKCS#1, OAEP), ECDH, hash, random, generation, import, deletion"

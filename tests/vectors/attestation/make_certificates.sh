#!/bin/sh
# Makes the certificates, keys and signatures of this folder with the openssl command line. Run in an empty folder.
set -eu

ec() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:"$2" -pkeyopt ec_param_enc:named_curve -out "$1.key.pem"; }
csr() { openssl req -new -key "$1.key.pem" -subj "/CN=$2" -out "$1.csr"; }

cat > ca.cnf <<'CNF'
[ca]
default_ca = c
[c]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = p
unique_subject = no
copy_extensions = none
[p]
commonName = supplied
[v_ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[v_device]
basicConstraints = CA:false
[v_plain]
[v_nosign]
basicConstraints = critical,CA:true
keyUsage = critical,digitalSignature
CNF
: > index.txt

# issue NAME EXTENSIONS ISSUER START END
issue() { openssl ca -config ca.cnf -batch -notext -in "$1.csr" -out "$1.pem" -extensions "$2" -cert "$3.pem" \
  -keyfile "$3.key.pem" -startdate "$4" -enddate "$5" -md "${6:-sha256}" 2>/dev/null; }
self() { csr "$1" "$2"; openssl ca -config ca.cnf -batch -notext -selfsign -in "$1.csr" -out "$1.pem" -extensions "$3" \
  -keyfile "$1.key.pem" -startdate "$4" -enddate "$5" 2>/dev/null; }

FROM=20200101000000Z
TO=20491231235959Z

ec root P-256; self root "Device Root CA" v_ca $FROM $TO
ec other_root P-256; self other_root "Other Root CA" v_ca $FROM $TO
ec same_name_root P-256; self same_name_root "Device Root CA" v_ca $FROM $TO
ec intermediate P-384; csr intermediate "Device Intermediate CA"; issue intermediate v_ca root $FROM $TO
ec leaf_as_ca P-256; csr leaf_as_ca "Device Under Root"; issue leaf_as_ca v_device root $FROM $TO
ec plain P-256; csr plain "No Basic Constraints"; issue plain v_plain root $FROM $TO
ec nosign P-256; csr nosign "CA Without keyCertSign"; issue nosign v_nosign root $FROM $TO
ec old_intermediate P-256; csr old_intermediate "Expired Intermediate CA"; issue old_intermediate v_ca root $FROM 20210101000000Z

ec device P-256; csr device "Device"; issue device v_device intermediate $FROM $TO
ec direct P-256; csr direct "Direct Device"; issue direct v_device root $FROM $TO
ec expired P-256; csr expired "Expired Device"; issue expired v_device intermediate $FROM 20240101000000Z
ec future P-256; csr future "Future Device"; issue future v_device intermediate 20400101000000Z $TO
ec under_old P-256; csr under_old "Device Under Expired Intermediate"; issue under_old v_device old_intermediate $FROM $TO
ec under_leaf P-256; csr under_leaf "Device Under Device"; issue under_leaf v_device leaf_as_ca $FROM $TO
ec under_plain P-256; csr under_plain "Device Under Plain"; issue under_plain v_device plain $FROM $TO
ec under_nosign P-256; csr under_nosign "Device Under CA Without keyCertSign"; issue under_nosign v_device nosign $FROM $TO
ec sha1 P-256; csr sha1 "Device Signed With SHA-1"; issue sha1 v_device root $FROM $TO sha1
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out rsa1024.key.pem
csr rsa1024 "Device With RSA-1024"; issue rsa1024 v_device root $FROM $TO

ec lone P-256; self lone "Lone Device" v_device $FROM $TO
openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa_device.key.pem; self rsa_device "RSA Device" v_device $FROM $TO
ec ec384_device P-384; self ec384_device "P-384 Device" v_device $FROM $TO
openssl genpkey -algorithm ED25519 -out ed25519.key.pem; csr ed25519 "Ed25519 Device"; issue ed25519 v_device root $FROM $TO

# Session attestations: session.py prints the bytes of sks-api.md 3.2 for a certificate; openssl signs them (ECDSA: DER).
for name in lone rsa_device ec384_device; do
  openssl x509 -in $name.pem -outform DER -out $name.der
  python3 "$(dirname "$0")/session.py" $name.der > $name.data
  openssl dgst -sha256 -sign $name.key.pem -out $name.sig $name.data
done
python3 "$(dirname "$0")/session.py" --vectors lone rsa_device ec384_device > e2es.vec

# Privacy enabled mode: an HMAC under a session key of 32 times 05.
python3 "$(dirname "$0")/session.py" --anonymous > anonymous.data
key=0505050505050505050505050505050505050505050505050505050505050505
printf '# Made by make_certificates.sh.\nAttestation = %s\n' \
  "$(openssl dgst -sha256 -mac HMAC -macopt hexkey:$key -r anonymous.data | cut -d' ' -f1)" > pep.vec

rm -f ./*.csr ./*.der ./*.data ./*.sig index.txt* ca.cnf [0-9A-F]*.pem
# Only the keys that a test signs with, or offers as a wrong one, are kept.
for key in ./*.key.pem; do
  case $key in ./lone.key.pem|./rsa_device.key.pem|./ec384_device.key.pem|./ed25519.key.pem) ;; *) rm "$key" ;; esac
done

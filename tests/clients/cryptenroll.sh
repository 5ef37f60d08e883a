#!/bin/bash
# systemd-cryptenroll puts a key of the token into the header of an encrypted disk image, and the token gets it back.
. "$(dirname "$0")/common.sh"
needs systemd-cryptenroll cryptsetup python3
# It asks p11-kit for modules; one in the folder of the user is enough, if p11-kit looks there.
mkdir -p "$HOME/.config/pkcs11/modules"
echo "module: $MODULE" >"$HOME/.config/pkcs11/modules/tested.module"
SYSTEM_FILE=
if [ "$(id -u)" = 0 ]; then
  # For root it does not.
  SYSTEM_FILE=/usr/share/p11-kit/modules/sks-clients-test-$$.module
  echo "module: $MODULE" >"$SYSTEM_FILE"
fi
trap '[ -z "$SYSTEM_FILE" ] || rm -f "$SYSTEM_FILE"; cleanup' EXIT
truncate -s 64M disk
printf %s passphrase >passphrase
check "an encrypted image" cryptsetup luksFormat -q --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 disk passphrase
# --pkcs11-token-uri=list shows hardware (CKF_HW_SLOT) only, which a key store in software does not claim to be.
PASSWORD=passphrase PIN=$PIN check "enrol" timeout 120 systemd-cryptenroll --pkcs11-token-uri="$(token_uri);id=$(echo "$RSAID" | sed 's/../%&/g')" disk
check_says "the header names the token" "systemd-pkcs11" cryptsetup luksDump disk
# Unlocking needs the device mapper, which test machines lack. What it would do can be done: the volume key is encrypted to the
# public key, and the decrypted value is a passphrase of the image.
cat >header.py <<'CODE'
import base64, json, re, sys
image = open("disk", "rb").read(1 << 20)
text = re.search(rb'\{"keyslots".*?\x00', image, re.S).group()[:-1]
token = next(t for t in json.loads(text)["tokens"].values() if t["type"] == "systemd-pkcs11")
open("encrypted", "wb").write(base64.b64decode(token["pkcs11-key"]))
CODE
check "read the encrypted key" python3 header.py
check "decrypt it with the token" tool --token-label "$TOKEN" --login --pin $PIN --decrypt -m RSA-PKCS --id "$RSAID" -i encrypted -o volume-key
base64 -w0 volume-key >volume-passphrase 2>/dev/null
check "it opens the image" cryptsetup open --test-passphrase --key-file volume-passphrase disk
exercised "systemd-cryptenroll" "$(version_of systemd)" "enrolling an RSA key on a LUKS2 image, and the enrolled key opens it"

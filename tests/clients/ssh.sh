#!/bin/bash
# OpenSSH: ssh with the module, and ssh-agent with the module, against an sshd on loopback.
. "$(dirname "$0")/common.sh"
needs ssh ssh-agent ssh-add ssh-keygen
[ -x /usr/sbin/sshd ] || skip "sshd is not installed (scripts/install-packages clients)"
check "ssh-keygen -D" ssh-keygen -D "$MODULE"
ssh-keygen -D "$MODULE" >all-keys 2>/dev/null
for key in ec rsa; do
  # ssh-keygen can read public keys of PEM, which says what ours must be in its form.
  ssh-keygen -i -m PKCS8 -f $key.pub | cut -d' ' -f1,2 >$key.authorized
  check "  the key $key is there" grep -qF -f $key.authorized all-keys
done
printf '#!/bin/sh\necho %s\n' "$PIN" >askpass
chmod 700 askpass
ssh-keygen -q -t ed25519 -N '' -f host-key
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
PORT=$(free_port)
cat >sshd.conf <<CONF
ListenAddress 127.0.0.1:$PORT
HostKey $W/host-key
AuthorizedKeysFile $W/authorized
StrictModes no
PidFile none
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
UsePAM no
MaxStartups 100
CONF
background /usr/sbin/sshd -D -f "$W/sshd.conf" -E "$W/sshd.log"
wait_for listens "$PORT" || { bad "sshd does not start"; cat sshd.log; exit 1; }
export DISPLAY=:0 SSH_ASKPASS=$W/askpass SSH_ASKPASS_REQUIRE=force
login() { # OPTION...: a login without any file of the user
  timeout 60 ssh -F none -p "$PORT" -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o IdentityFile=none \
    -o LogLevel=ERROR "$@" "$(id -un)@127.0.0.1" echo "logged in"
}
for key in ec rsa; do
  cp $key.authorized authorized
  check_says "ssh -o PKCS11Provider with $key" "logged in" login -o PKCS11Provider="$MODULE" -o IdentityAgent=none
done
: >authorized
check_fails "not with another key" login -o PKCS11Provider="$MODULE" -o IdentityAgent=none

# ssh-agent leaves its starter; it is the one whose number it says.
eval "$(ssh-agent -a "$W/agent" -P "$MODULE,$(readlink -f "$MODULE")")" >/dev/null
STARTED+=("$SSH_AGENT_PID")
check "ssh-add -s" timeout 60 ssh-add -s "$MODULE"
check_says "ssh-add -l: EC" "ECDSA" ssh-add -l
check_says "ssh-add -l: RSA" "RSA" ssh-add -l
check "ssh-add -T" bash -c 'ssh-add -T <(ssh-keygen -i -m PKCS8 -f ec.pub)'
for key in ec rsa; do
  cp $key.authorized authorized
  check_says "ssh over the agent with $key" "logged in" login
done
ten_logins() {
  local _
  for _ in $(seq 10); do login || return 1; done
}
check "10 logins" ten_logins
check "ssh-add -e" timeout 60 ssh-add -e "$MODULE"
check_fails "no login afterwards" login
exercised "OpenSSH (ssh, ssh-agent, ssh-add, ssh-keygen, sshd)" "$(version_of openssh-client)" "ssh-keygen -D, PKCS11Provider, ssh-agent with ssh-add -s, EC and RSA"

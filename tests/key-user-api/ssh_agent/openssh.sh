#!/bin/bash
# Uses the SSH agent through OpenSSH: ssh-add, ssh-keygen, and ssh with sshd on the loopback.
# usage: openssh.sh SERVE_AGENT SKS
set -u
SERVE=$1 SKS=$2
PATH=$PATH:/usr/sbin
for program in ssh ssh-add ssh-keygen sshd openssl python3; do
  command -v $program >/dev/null || { echo "SKIP: $program is not installed"; exit 77; }
done
if [ "$(id -u)" -eq 0 ] && [ ! -d /run/sshd ]; then
  mkdir -m 0755 /run/sshd || { echo "SKIP: sshd has no folder for the separation of its privileges"; exit 77; }
fi

W=$(mktemp -d /tmp/sks-ssh.XXXXXX)
PIDS=()
cleanup() {
  for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null; done
  wait
  rm -rf "$W"
}
trap cleanup EXIT
cd "$W" || exit 1
unset SSH_AUTH_SOCK SSH_ASKPASS DISPLAY WAYLAND_DISPLAY

FAILED=0
report() { # NAME
  echo "FAIL $1"
  sed 's/^/     /' log | tail -15
  FAILED=1
}
# Functions too.
limited() {
  if [ "$(type -t "$1")" = function ]; then timeout 60 bash -c '"$@"' limited "$@"; else timeout 60 "$@"; fi
}
# check NAME COMMAND...: the command must succeed.
check() {
  local name=$1
  shift
  if limited "$@" >log 2>&1 </dev/null; then echo "ok   $name"; else report "$name"; fi
}
# check_fails NAME COMMAND...: it must run and fail, and not by a signal or for want of time.
check_fails() {
  local name=$1
  shift
  limited "$@" >log 2>&1 </dev/null
  local code=$?
  cp log last
  if [ $code -gt 0 ] && [ $code -lt 124 ] || [ $code -eq 255 ]; then echo "ok   $name"; else report "$name ($code)"; fi
}
# check_says NAME TEXT COMMAND...: it must print the text, whatever it thinks of it.
check_says() {
  local name=$1 text=$2
  shift 2
  limited "$@" >log 2>&1 </dev/null
  if grep -qF -- "$text" log; then echo "ok   $name"; else report "$name: no \"$text\""; fi
}

wait_for() { # FILE TEXT
  for _ in $(seq 600); do
    grep -qF "$2" "$1" 2>/dev/null && return
    sleep 0.05
  done
  echo "FAIL no \"$2\" in $1"
  cat "$1"
  exit 1
}

# A pinentry program: asked for consent it answers what the file "consent" says, and writes down what it was asked.
cat >pinentry <<END
#!/bin/bash
echo "OK at your service"
while read -r command rest; do
  case \$command in
    SETDESC) echo "\$rest" >>$W/asked; echo OK ;;
    CONFIRM) if grep -q yes $W/consent; then echo OK; else echo "ERR 83886194 Not confirmed <Pinentry>"; fi ;;
    BYE) echo OK; exit ;;
    *) echo OK ;;
  esac
done
END
chmod 700 pinentry
export SKS_PINENTRY=$W/pinentry
: >asked

# start_agent NAME CONFIRM: sets SSH_AUTH_SOCK. All agents have the same store, one after the other.
AGENT=
start_agent() {
  "$SERVE" store "$1.ssh" "$2" >"$1.log" 2>&1 &
  AGENT=$!
  PIDS+=($AGENT)
  wait_for "$1.log" serving
  export SSH_AUTH_SOCK=$W/$1.ssh
}
stop_agent() {
  kill $AGENT
  wait $AGENT
  local code=$?
  if [ $code -eq 0 ] && [ ! -e "$SSH_AUTH_SOCK" ]; then echo "ok   the agent ends"; else report "the agent ends with $code"; fi
}

printf '%s\n' 0000 2468 2468 2468 >answers
export ANSWERS=$W/answers
start_agent first never

KEYS="rsa rsa3072 p256 p384 p521 ed25519"
# The public keys, not as the agent tells them but out of the certificates.
for key in $KEYS pin encryption; do
  openssl x509 -in store.$key.pem -noout -pubkey >$key.spki
  if [ $key = ed25519 ]; then
    python3 - $key >$key.pub <<'END'
import base64, sys
raw = base64.b64decode("".join(open(sys.argv[1] + ".spki").read().splitlines()[1:-1]))[-32:]
blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + raw
print("ssh-ed25519", base64.b64encode(blob).decode(), "ed25519")
END
  else
    echo "$(ssh-keygen -i -m PKCS8 -f $key.spki) $key" >$key.pub
  fi
done

# What is listed.
cat rsa.pub rsa3072.pub p256.pub p384.pub p521.pub ed25519.pub pin.pub >expected
ssh-add -L >listed 2>log
check "ssh-add -L: the keys that may sign, and no others" cmp expected listed
check "ssh-add -l" bash -c 'ssh-add -l >fingerprints'
for key in $KEYS pin; do
  check_says "  $key" "$(ssh-keygen -l -f $key.pub | cut -d" " -f2)" cat fingerprints
done

# The command of sks that tells of an agent.
export SKS_SOCKET=$W/first.sock
sks() { env -u SSH_AUTH_SOCK "$SKS" "$@"; }
export -f sks
export SKS
check_says "sks agent -- COMMAND" "$(head -1 fingerprints)" sks agent -- ssh-add -l
check_says "sks agent for sh" "$(head -1 fingerprints)" bash -c 'line=$(SHELL=/bin/sh sks agent); unset SSH_AUTH_SOCK; eval "$line"; ssh-add -l'
check_says "  asked for" "SSH_AUTH_SOCK=$W/first.ssh; export SSH_AUTH_SOCK;" env SHELL=/bin/tcsh "$SKS" agent -s
check_says "sks agent for csh" "setenv SSH_AUTH_SOCK $W/first.ssh;" env SHELL=/bin/tcsh "$SKS" agent
check_says "  asked for" "setenv SSH_AUTH_SOCK $W/first.ssh;" env SHELL=/bin/sh "$SKS" agent -c
check_says "the exit code of the command" "code 7" bash -c 'sks agent -- sh -c "exit 7"; echo code $?'
check_fails "a command that is not there" sks agent -- "$W/nothing"
check_says "  and why" "cannot run $W/nothing: No such file or directory" cat last
check_fails "sks agent where nobody serves" env SKS_SOCKET="$W/none.sock" "$SKS" agent
check_says "  and why" "no SSH agent is served beside $W/none.sock" cat last

# Signatures.
for key in p256 p384 p521 ed25519; do
  check "ssh-add -T $key" ssh-add -T $key.pub
done
# ssh-add of OpenSSH 9.2 asks for a signature with SHA-1, which no key store makes; later ones for SHA-2.
sha1_is_refused() { ssh-add -T rsa.pub || tail -1 first.log | grep -F "$(ssh-keygen -l -f rsa.pub | cut -d" " -f2) at: no key signs in this way"; }
export -f sha1_is_refused
check "ssh-add -T rsa: SHA-1 is refused" bash -c sha1_is_refused
check "ssh-add -T pin: a wrong PIN, then the right one" ssh-add -T pin.pub
check_says "  the first question" "asked for PIN of pin by $(readlink -f "$(command -v ssh-add)"): " cat first.log
check_says "  the second question" ": The PIN is wrong. 2 tries are left." cat first.log
echo "to be signed" >message
for key in $KEYS pin; do
  rm -f message.sig
  check "ssh-keygen -Y sign with $key" ssh-keygen -Y sign -n file -f $key.pub message
  echo "jo $(cut -d' ' -f1,2 $key.pub)" >signers
  check "  verified by ssh-keygen" bash -c 'ssh-keygen -Y verify -n file -I jo -f signers -s message.sig <message'
  check_fails "  not for another message" bash -c 'echo other | ssh-keygen -Y verify -n file -I jo -f signers -s message.sig'
done
check_fails "a key for encryption does not sign" ssh-add -T encryption.pub

# What an agent of a key store does not do.
ssh-keygen -q -t ed25519 -N '' -f foreign
check_fails "ssh-add FILE" ssh-add foreign
check_fails "ssh-add -d" ssh-add -d p256.pub
check_fails "ssh-add -D" ssh-add -D
check_fails "ssh-add -s" env SSH_ASKPASS=/bin/true SSH_ASKPASS_REQUIRE=force ssh-add -s /usr/lib/none.so
ssh-add -L >listed 2>log
check "  and everything is as before" cmp expected listed

# Lock and unlock.
for word in right wrong; do
  printf '#!/bin/sh\necho %s\n' $word >ask-$word
  chmod 700 ask-$word
done
lock() { env SSH_ASKPASS="$W/ask-$1" SSH_ASKPASS_REQUIRE=force ssh-add "$2"; }
export -f lock
export W
check_fails "ssh-add -X: not locked" bash -c 'lock right -X'
check "ssh-add -x" bash -c 'lock right -x'
check_says "  no key is seen" "The agent has no identities" ssh-add -l
check_fails "  no key signs" ssh-add -T p256.pub
check_fails "  not locked twice" bash -c 'lock wrong -x'
check_fails "ssh-add -X: wrong passphrase" bash -c 'lock wrong -X'
check_says "  still locked" "The agent has no identities" ssh-add -l
check "ssh-add -X" bash -c 'lock right -X'
check "  keys sign again" ssh-add -T p256.pub

# Two servers, so that one can be reached through the other.
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }
start_server() { # NAME
  for kind in rsa ecdsa ed25519; do ssh-keygen -q -t $kind -N '' -f host-$1-$kind; done
  ssh-keygen -q -t ecdsa -b 521 -N '' -f host-$1-ecdsa521
  local port
  port=$(free_port)
  cat >"sshd-$1" <<END
ListenAddress 127.0.0.1
Port $port
HostKey $W/host-$1-rsa
HostKey $W/host-$1-ecdsa
HostKey $W/host-$1-ed25519
AuthorizedKeysFile $W/authorized
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AllowAgentForwarding yes
AcceptEnv none
END
  "$(command -v sshd)" -D -e -f "sshd-$1" >"sshd-$1.log" 2>&1 &
  PIDS+=($!)
  wait_for "sshd-$1.log" "Server listening"
  for kind in rsa ecdsa ed25519; do echo "[127.0.0.1]:$port $(cut -d' ' -f1,2 host-$1-$kind.pub)"; done >>known
  cat >>config <<END
Host $1
  HostName 127.0.0.1
  Port $port
END
}
cat $(printf '%s.pub ' $KEYS pin) >authorized
start_server near
start_server far
cat >>config <<END
Host *
  User $(id -un)
  UserKnownHostsFile $W/known
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  IdentitiesOnly yes
  PreferredAuthentications publickey
  ControlMaster no
END
remote() { ssh -F "$W/config" "$@"; }
export -f remote
host_key() { ssh-keygen -l -f host-$1-$2.pub | cut -d" " -f2; }

for key in $KEYS; do
  check_says "ssh with $key" arrived bash -c "remote -i $key.pub near echo arrived"
done
check_says "  a login as it is recorded" "sshSign ssh-ed25519 $(ssh-keygen -l -f ed25519.pub | cut -d" " -f2) at $(host_key near ed25519): done" cat first.log
check_says "ssh with rsa-sha2-256" arrived bash -c "remote -i rsa.pub -o PubkeyAcceptedAlgorithms=rsa-sha2-256 near echo arrived"
check_says "  recorded" "sshSign rsa-sha2-256 " cat first.log
check_says "ssh with the PIN key" arrived bash -c "remote -i pin.pub near echo arrived"
check_says "  the question names user and host" "asked for PIN of pin, to log in as $(id -un) at the host $(host_key near ed25519) by " cat first.log
check_fails "  nobody gives the PIN any more" bash -c "remote -i pin.pub near echo arrived"
for kind in rsa:rsa-sha2-512 rsa:rsa-sha2-256 ecdsa:ecdsa-sha2-nistp256 ed25519:ssh-ed25519; do
  check_says "bound to a host key that signs ${kind#*:}" arrived \
    bash -c "remote -i p256.pub -o HostKeyAlgorithms=${kind#*:} near echo arrived"
  check_says "  recorded" "sshBind   at $(host_key near "${kind%:*}"): done" cat first.log
done

# Forwarding. The key is offered by the agent alone: the hosts have its public half.
far="ssh -F $W/config -i $W/p384.pub far"
check_says "forwarded: keys are listed" "$(ssh-keygen -l -f p384.pub | cut -d" " -f2)" bash -c "remote -A -i p256.pub near ssh-add -l"
check_says "forwarded: a login at the next host" deep bash -c "remote -A -i p256.pub near $far echo deep"
check_says "  recorded with both hosts" "at $(host_key near ed25519) $(host_key far ed25519): done" cat first.log
check_says "forwarded twice" "$(ssh-keygen -l -f p384.pub | cut -d" " -f2)" \
  bash -c "remote -A -i p256.pub near ssh -A -F $W/config -i $W/p384.pub far ssh-add -l"
check_fails "forwarded: nothing but logins is signed" \
  bash -c "remote -A -i p256.pub near ssh-keygen -Y sign -n file -f $W/p256.pub $W/sshd-near"
check_says "  recorded" "the connection is forwarded, and not bound to a login" cat first.log
stop_agent

# Consent.
start_agent second always
echo yes >consent
check_says "consent is asked for" arrived bash -c "remote -i p256.pub near echo arrived"
check_says "  naming program, key, user and host" \
  "$(readlink -f "$(command -v ssh)") (process " grep "key p256, to log in as $(id -un) at the host $(host_key near ed25519)" asked
echo no >consent
check_fails "without it there is no signature" bash -c "remote -i p256.pub near echo arrived"
check_says "  recorded" "the user does not agree" cat second.log
stop_agent
start_agent third forwarded
: >asked
check_says "consent for other hosts only: not for this one" arrived bash -c "remote -A -i p256.pub near echo arrived"
check "  nobody was asked" test ! -s asked
check_fails "  but for the next host" bash -c "remote -A -i p256.pub near $far echo deep"
check_says "  naming both" "at the host $(host_key far ed25519), asked for by the host $(host_key near ed25519)" cat asked
echo yes >consent
check_says "  which is agreed to" deep bash -c "remote -A -i p256.pub near $far echo deep"
stop_agent

# The public keys without an agent.
check "sks list --ssh" bash -c '"$SKS" --store store list --ssh | cmp - expected'
handle_of() { "$SKS" --store store list --json | python3 -c 'import json, sys; print(next(k["handle"] for k in json.load(sys.stdin) if k["friendlyName"] == sys.argv[1]))' "$1"; }
check_says "sks show --ssh" "$(cat p384.pub)" "$SKS" --store store show "$(handle_of p384)" --ssh
check_fails "  not of a key for encryption" "$SKS" --store store show "$(handle_of encryption)" --ssh

# The service, which sks starts.
unset SKS_SOCKET SSH_AUTH_SOCK
export XDG_RUNTIME_DIR=$W/run XDG_STATE_HOME=$W/state SKS_STORE=$W/store
mkdir -m 0700 run
check_says "sks agent starts sksd" "$(ssh-keygen -l -f p256.pub | cut -d" " -f2)" "$SKS" agent -- ssh-add -l
check "  its socket is for its owner" bash -c 'test "$(stat -c %a run/sks/store-*.ssh)" = 600'
check_says "  ssh through sksd" arrived "$SKS" agent -- ssh -F config -i p256.pub near echo arrived
check_says "  other programs of sks do not end it" "serves the key store to the programs that know of its SSH agent" \
  "$SKS" reprotect --protect file
wait_for "$(echo state/sks/store-*.log)" '"method":"sshSign"'
SKSD=$(python3 -c 'import glob, socket, struct
s = socket.socket(socket.AF_UNIX)
s.connect(glob.glob("run/sks/store-*.ssh")[0])
print(struct.unpack("3i", s.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])')
PIDS+=($SKSD)
kill $SKSD
for _ in $(seq 200); do ls run/sks/*.ssh >/dev/null 2>&1 || break; sleep 0.05; done
check_fails "  its sockets go with it" ls run/sks/*.ssh

# A line of docs/clients.md, see scripts/clients-table.
line="| OpenSSH with the agent of sksd (ssh, ssh-add, ssh-keygen, sshd) | $(ssh -V 2>&1 | sed -n 's/^OpenSSH_\([^ ,]*\).*/\1/p') | ssh-add -l and -x, ssh-keygen -Y sign, logins with RSA, EC and Ed25519, agent forwarding, sks agent |"
[ $FAILED = 0 ] && [ -n "${SKS_CLIENTS_TABLE:-}" ] && echo "$line" >>"$SKS_CLIENTS_TABLE"
exit $FAILED

# What shell tests compare with: one line for each comparison; FAILED is 1 when one of them has failed.
FAILED=0
check() { # check DESCRIPTION ACTUAL EXPECTED
  if [ "$2" = "$3" ]; then
    echo "ok: $1"
  else
    echo "FAILED: $1: got '$2', expected '$3'"
    FAILED=1
  fi
}
contains() { # contains DESCRIPTION TEXT PART
  case $2 in
    *"$3"*) echo "ok: $1" ;;
    *) echo "FAILED: $1: '$3' is not in '$2'"; FAILED=1 ;;
  esac
}
free_port() {
  local port
  for _ in $(seq 50); do
    port=$((20000 + RANDOM % 12000))  # below the ports that outgoing connections get
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

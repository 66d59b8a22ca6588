# shellcheck shell=bash disable=SC2034,SC2153,SC2154
# Commands on hosts, several at a time, each line with its host's name. Sourced.

# Relative to the user's home, where ssh begins.
PROGRAM=.local/bin/usernetes-rs

on() { # HOST COMMAND; standard input goes there
  local port=${PORT[$1]}
  ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15 -o ControlMaster=auto -o ControlPersist=60 \
    -o ControlPath="$work/%C" ${port:+-p "$port"} -- "${SSH[$1]}" "$2"
}

ask() { on "$@" < /dev/null; } # HOST COMMAND, without an input

# What would change a host goes through here.
change() { # HOST COMMAND; standard input goes there
  if [ -n "$dry" ]; then printf 'would run: %s\n' "$2"; else on "$@"; fi
}

say() { # HOST TEXT
  printf '%-*s | %s\n' "$width" "$1" "$2"
}

# Runs a function of one host for several at a time. Whoever fails is remembered, and left out from then on.
each() { # WHAT FUNCTION HOSTS
  local what=$1 function=$2 host pids=()
  shift 2
  for host in "$@"; do
    [ -z "${FAILED[$host]:-}" ] || continue
    (
      set +e
      "$function" "$host" 2>&1 < /dev/null | while IFS= read -r text; do say "$host" "$text"; done
      exit "${PIPESTATUS[0]}"
    ) &
    pids+=("$host:$!")
  done
  for host in "${pids[@]}"; do
    wait "${host#*:}" || fail "${host%:*}" "$what"
  done
}

end_remote() {
  local socket
  for socket in "$work"/*; do [ ! -S "$socket" ] || ssh -o ControlPath="$socket" -O exit any 2> /dev/null || true; done
  rm -rf "$work"
}

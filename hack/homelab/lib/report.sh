# shellcheck shell=bash disable=SC2154
# Which hosts failed, and with what. Sourced.

declare -A FAILED=() # host to what failed first

fail() { # HOST WHAT
  FAILED[$1]=${FAILED[$1]:-$2}
}

# Without the control plane there is no API server to ask.
need_first() {
  [ -z "${FAILED[$FIRST]:-}" ] || { report || true; exit 1; }
}

report() { # names every failure; 1 if there is one
  local host
  [ ${#FAILED[@]} -gt 0 ] || return 0
  printf '\n%s of %s hosts failed:\n' "${#FAILED[@]}" "${#HOSTS[@]}" >&2
  for host in "${HOSTS[@]}"; do [ -z "${FAILED[$host]:-}" ] || say "$host" "${FAILED[$host]}" >&2; done
  return 1
}

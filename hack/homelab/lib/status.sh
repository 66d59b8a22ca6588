# shellcheck shell=bash disable=SC2154
# `homelab status`: a line a host. Sourced.

homelab_status() {
  local host name ready address version reached
  declare -A is=() at=()
  look_around
  [ -n "${FAILED[$FIRST]:-}" ] || while read -r name ready address; do
    is[$name]=$ready at[$name]=$address
  done < <(nodes || true)
  printf '%-*s  %-14s  %-9s  %-8s  %-9s  %s\n' "$width" HOST ROLE REACHABLE VERSION NODE ADDRESS
  for host in "${CHOSEN[@]}"; do
    reached=yes version=$(fact "$host" version)
    [ -z "${FAILED[$host]:-}" ] || reached=no
    case ${is[$host]:-} in True) ready=Ready ;; "") ready=none ;; *) ready=NotReady ;; esac
    [ -z "${FAILED[$FIRST]:-}" ] || ready=unknown
    [ "$ready" = Ready ] || fail "$host" "node: $ready"
    printf '%-*s  %-14s  %-9s  %-8s  %-9s  %s\n' "$width" "$host" "${ROLE[$host]}" "$reached" "${version:--}" "$ready" "${at[$host]:--}"
  done
}

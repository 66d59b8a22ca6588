# shellcheck shell=bash disable=SC2154
# `homelab upgrade`: another program on every host, one node after the other, the control plane first. Sourced.

homelab_upgrade() {
  local host
  find_program
  look_around
  need_first
  # The copy is what takes time: it is there on every host before the first node stops.
  each "program not installed" install_program "${CHOSEN[@]}"
  ! chosen "$FIRST" || each "not Ready after the restart" restart "$FIRST"
  need_first
  for host in "${WORKERS[@]}"; do
    each "not Ready after the restart" restart "$host"
    [ -z "${FAILED[$host]:-}" ] || [ "${FAILED[$host]}" != "not Ready after the restart" ] || return 0
  done
}

restart() { # HOST
  case $(fact "$1" node) in
    none) echo "no node"; return ;;
    well) [ "$(fact "$1" runs)" != "$program_sum" ] || { echo "node: runs this program"; return; } ;;
  esac
  change "$1" "$PROGRAM stop && $PROGRAM start --wait" < /dev/null
}

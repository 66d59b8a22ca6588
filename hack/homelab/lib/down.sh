# shellcheck shell=bash disable=SC2154
# `homelab down`: the nodes, workers first, so that each can still take leave. Sourced.

homelab_down() {
  local answer
  if [ -z "$yes$dry" ]; then
    [ -t 0 ] || die 64 "down removes the nodes of ${CHOSEN[*]} with all their data; pass --yes where there is no terminal"
    read -rp "This removes the nodes of ${CHOSEN[*]} with all their data. Go on? [y/N] " answer
    [[ $answer =~ ^[yY] ]] || die 1 "nothing was removed"
  fi
  look_around
  each "not removed" leave "${WORKERS[@]}"
  ! chosen "$FIRST" || leave_last
}

# A worker that is still there could neither take leave nor be removed without its control plane.
leave_last() {
  local host
  for host in "${WORKERS[@]}"; do
    [ -z "${FAILED[$host]:-}" ] || { fail "$FIRST" "kept, for $host is still a worker; down --only $FIRST removes it all the same"; return; }
  done
  each "not removed" leave "$FIRST"
}

# Where the pods of a worker cannot go, be it that the others leave as well, it is reset all the same: that was asked for.
leave() { # HOST
  local reset="$PROGRAM reset --force"
  if [ "$(fact "$1" node)" = none ]; then echo "node: none"; return; fi
  [ "$1" = "$FIRST" ] || reset="$reset --drain || $reset"
  change "$1" "$reset" < /dev/null
}

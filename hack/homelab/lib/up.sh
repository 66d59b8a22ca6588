# shellcheck shell=bash disable=SC2154
# `homelab up`: adds what is missing of the cluster. Sourced.

homelab_up() {
  find_program
  find_bundle
  look_around
  need_first
  check_hosts
  each "program or bundle not installed" install_all "${CHOSEN[@]}"
  need_first
  ! chosen "$FIRST" || each "init failed" init_first "$FIRST"
  need_first
  make_token
  each "join failed" join_cluster "${WORKERS[@]}"
  each "labels or taints not set" decorate "${CHOSEN[@]}"
  [ -n "$dry" ] || show_nodes
}

show_nodes() {
  local name ready address
  while read -r name ready address; do
    chosen "$name" || continue
    if [ "$ready" = True ]; then say "$name" "Ready at $address"; else fail "$name" "node is not Ready"; fi
  done < <(nodes)
}

options() { # HOST: flags of init and of join
  printf ' --node-name %s%s' "$1" "${IP[$1]:+ --host-ip ${IP[$1]}}"
}

init_first() { # HOST
  if [ "$(fact "$1" node)" = well ]; then echo "node: is there"; return; fi
  change "$1" "$PROGRAM init --skip-token-print$(options "$1")" < /dev/null
}

# One token for all, if anybody needs it; it goes to them on standard input, never as an argument.
make_token() {
  local host
  token=""
  for host in "${WORKERS[@]}"; do
    if [ "$(fact "$host" node)" = well ] || [ -n "${FAILED[$host]:-}" ]; then continue; fi
    if [ -n "$dry" ]; then change "$FIRST" "$PROGRAM token create --ttl 30m --description homelab"; return; fi
    token=$(ask "$FIRST" "$PROGRAM token create --ttl 30m --description homelab") || fail "$FIRST" "no token created"
    return 0
  done
}

join_cluster() { # HOST
  local peer=""
  if [ "$(fact "$1" node)" = well ]; then echo "node: is there"; return; fi
  has_bundle "$1" || ! from_peer "$1" || peer=" --bundle-from-peer"
  change "$1" "$PROGRAM join$(options "$1")$peer -" <<< "$token"
}

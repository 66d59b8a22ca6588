# shellcheck shell=bash disable=SC2154
# Whether hosts can be nodes, asked of all of them before anything is changed on one. Sourced.

# The program has to be there to check: beside its place, under another name, until all hosts have passed.
NEW=$PROGRAM.new

bring_program() { # HOST
  if [ "$(fact "$1" installed)" = "$program_sum" ] || [ -e "$work/$1.brought" ]; then return; fi
  change "$1" "mkdir -p .local/bin && cat > $NEW && chmod 755 $NEW" < "$program" && touch "$work/$1.brought"
}

check_host() { # HOST
  local asked=$PROGRAM ip=${IP[$1]:+ --host-ip ${IP[$1]}}
  if [ "$(fact "$1" node)" != none ]; then echo "is a node already"; return; fi
  [ "$(fact "$1" installed)" = "$program_sum" ] || asked=$NEW
  bring_program "$1" || return
  # The bundle comes later.
  change "$1" "$asked preflight --node-name $1$ip --ignore-preflight-errors Bundle" < /dev/null
}

forget_program() { # HOST
  ask "$1" "rm -f $NEW"
}

# Stops with all findings when a host cannot be a node.
check_hosts() {
  local host
  local unreached=${#FAILED[@]}
  each "cannot be a node: see its lines above" check_host "${CHOSEN[@]}"
  [ ${#FAILED[@]} -gt "$unreached" ] || return 0
  [ -n "$dry" ] || for host in "${CHOSEN[@]}"; do forget_program "$host" 2> /dev/null || true; done
  report || true
  echo "nothing was changed on any host" >&2
  exit 2
}

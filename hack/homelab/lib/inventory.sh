# shellcheck shell=bash disable=SC2034,SC2154
# The inventory: plain words, checked before use, never evaluated. Sourced.

declare -A SSH=() PORT=() ROLE=() IP=() LABELS=() TAINTS=()
HOSTS=() # all, in the order of the file
CHOSEN=() # those that --only leaves
WORKERS=() # the workers among them
FIRST="" # the control plane

wrong() { die 3 "$inventory, line $line: $1"; }

read_inventory() { # FILE
  local text name word line=0
  [ -r "$1" ] || die 3 "no inventory at $1: cp $here/example.hosts $1 and put your hosts in, or --inventory FILE"
  while IFS= read -r text || [ -n "$text" ]; do
    line=$((line + 1))
    read -ra words <<< "${text%%#*}"
    [ ${#words[@]} -gt 0 ] || continue
    name=${words[0]}
    [[ $name =~ ^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$ ]] || wrong "$name is no name of a node: a-z, 0-9, inner dashes and dots"
    [ -z "${SSH[$name]:-}" ] || wrong "$name is there twice"
    SSH[$name]=$name PORT[$name]="" ROLE[$name]=worker IP[$name]="" LABELS[$name]="" TAINTS[$name]=""
    for word in "${words[@]:1}"; do read_word "$name" "$word"; done
    HOSTS+=("$name")
  done < "$1"
  line=end
  [ -n "$FIRST" ] || wrong "no host has role=control-plane"
}

read_word() { # NAME KEY=VALUE
  local value=${2#*=} address='[A-Za-z0-9][-A-Za-z0-9._]*|\[[0-9a-fA-F:]+\]'
  local label='[-A-Za-z0-9._/]+=[-A-Za-z0-9._]*' effect='NoSchedule|PreferNoSchedule|NoExecute'
  case $2 in
    ssh=*)
      [[ $value =~ ^([A-Za-z0-9_][-A-Za-z0-9._]*@)?($address)(:([0-9]+))?$ ]] || wrong "ssh=$value is not [USER@]HOST[:PORT]"
      PORT[$1]=${BASH_REMATCH[4]} address=${BASH_REMATCH[2]}
      SSH[$1]=${BASH_REMATCH[1]}$(tr -d '[]' <<< "$address") ;;
    role=control-plane) [ -z "$FIRST" ] || wrong "$FIRST is the control plane already: one a cluster"; FIRST=$1 ROLE[$1]=control-plane ;;
    role=worker) ;;
    ip=*) [[ $value =~ ^[0-9a-fA-F.:]+$ ]] || wrong "ip=$value is no address"; IP[$1]=$value ;;
    labels=*) [[ $value =~ ^$label(,$label)*$ ]] || wrong "labels=$value is not KEY=VALUE,…"; LABELS[$1]=${value//,/ } ;;
    taints=*) [[ $value =~ ^$label:($effect)(,$label:($effect))*$ ]] || wrong "taints=$value is not KEY=VALUE:EFFECT,…"; TAINTS[$1]=${value//,/ } ;;
    *) wrong "$2 is none of ssh=, role=control-plane|worker, ip=, labels=, taints=" ;;
  esac
}

choose_hosts() { # NAMES; none means all
  local name
  CHOSEN=("${@:-${HOSTS[@]}}")
  for name in "${CHOSEN[@]}"; do
    [ -n "${SSH[$name]:-}" ] || die 64 "--only $name: $inventory has no such host, but ${HOSTS[*]}"
    [ "$name" = "$FIRST" ] || WORKERS+=("$name")
  done
}

chosen() { [[ " ${CHOSEN[*]} " == *" $1 "* ]]; } # NAME

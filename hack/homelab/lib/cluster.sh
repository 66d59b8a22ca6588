# shellcheck shell=bash disable=SC2153,SC2154
# What is said to the cluster, on its control plane. Sourced.

kubectl() { # ARGUMENTS, quoted for the host's shell
  ask "$FIRST" "$PROGRAM kubectl $*"
}

# NAME READY ADDRESS, a line a node; nothing when the cluster does not answer.
nodes() {
  local ready='{.status.conditions[?(@.type=="Ready")].status}'
  local address='{.status.addresses[?(@.type=="InternalIP")].address}'
  kubectl "get nodes -o 'jsonpath={range .items[*]}{.metadata.name}{\" \"}$ready{\" \"}$address{\"\\n\"}{end}'" 2> /dev/null
}

# Labels and taints of the inventory that the node does not have yet. Others that it has are not ours.
decorate() { # HOST
  local has word key value labels=() taints=()
  # Without a cluster, in a dry run, it has none.
  has=$(kubectl "get node $1 -o 'jsonpath={.metadata.labels}{.spec.taints}'" 2> /dev/null) || true
  for word in ${LABELS[$1]}; do
    [[ $has == *"\"${word%%=*}\":\"${word#*=}\""* ]] || labels+=("$word")
  done
  for word in ${TAINTS[$1]}; do
    key=${word%%=*} value=${word#*=} value=${value%:*}
    [[ $has == *"\"effect\":\"${word##*:}\",\"key\":\"$key\"${value:+,\"value\":\"$value\"}}"* ]] || taints+=("$word")
  done
  [ ${#labels[@]} = 0 ] || change "$FIRST" "$PROGRAM kubectl label --overwrite node $1 ${labels[*]}" < /dev/null || return
  [ ${#taints[@]} = 0 ] || change "$FIRST" "$PROGRAM kubectl taint --overwrite node $1 ${taints[*]}" < /dev/null
}

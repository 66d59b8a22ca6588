# shellcheck shell=bash disable=SC2016,SC2034,SC2154
# What is on a host already: asked once, kept in a file a host. Sourced.

# Every line is a fact, so that nothing else on the host's terminal is taken for one.
LOOK='sum() { sha256sum "$1" 2>/dev/null | cut -c1-64; }
state=${XDG_DATA_HOME:-$HOME/.local/share}/usernetes/default p=.local/bin/usernetes-rs
echo "fact installed $(sum $p)"
echo "fact runs $(sum "$state/bin/usernetes-rs")"
echo "fact version $($p --version 2>/dev/null | cut -d" " -f2)"
for m in "${XDG_CACHE_HOME:-$HOME/.cache}"/usernetes/bundles/*/bundle.yaml; do echo "fact bundle $(sum "$m")"; done
if [ ! -e "$state/config.yaml" ]; then echo "fact node none"
elif $p status >/dev/null 2>&1; then echo "fact node well"
else echo "fact node ill"; fi'

look() { # HOST
  ask "$1" "$LOOK" > "$work/$1.facts" || { echo "cannot be reached: ssh ${PORT[$1]:+-p ${PORT[$1]} }${SSH[$1]} has to work without a password"; return 1; }
}

fact() { # HOST NAME: its values, one a line
  sed -n "s/^fact $2 //p" "$work/$1.facts" 2> /dev/null
}

# All hosts that are chosen, and the control plane, since it is asked about the others.
look_around() {
  local host
  local hosts=("${CHOSEN[@]}")
  chosen "$FIRST" || hosts+=("$FIRST")
  width=1
  for host in "${hosts[@]}"; do [ ${#host} -le "$width" ] || width=${#host}; done
  each "not reached" look "${hosts[@]}"
}

find_program() {
  if [ -z "$program" ]; then
    # shellcheck source=/dev/null
    program=$(cd "$here/../.." && . hack/lib/common.sh && release_binary)
  fi
  [ -x "$program" ] || die 64 "--bin $program: no such program"
  program_sum=$(sha256sum "$program" | cut -c1-64)
}

find_bundle() {
  [ -r "$bundle/bundle.yaml" ] || die 64 "--bundle $bundle: no bundle.yaml in it; hack/bundle builds a bundle"
  bundle_sum=$(sha256sum "$bundle/bundle.yaml" | cut -c1-64)
}

# shellcheck shell=bash
# Messages, the cache and its keys.
CACHE=${USERNETES_DEV_CACHE:-$HOME/.cache/usernetes-dev}
# Each component comes after what it is made from.
ORDER=(kubernetes etcd containerd fuse-overlayfs-snapshotter runc cni-plugins flannel-cni-plugin flannel coredns pause
  debian nft base-layer image-busybox image-coredns image-flannel image-kube-proxy image-pause)
declare -A KEY=() BUILT=() WHAT=()
declare -A NEEDS=([nft]=debian [base-layer]=debian [image-busybox]=debian [image-coredns]=coredns [image-pause]=pause
  [image-flannel]='base-layer flannel' [image-kube-proxy]='base-layer kubernetes')

# Progress goes to stderr: stdout is for --print-dir alone.
log() { printf '[bundle] %s\n' "$*" >&2; }

die() { # MESSAGE HINT
  printf '[bundle] error: %s\n[bundle] hint: %s\n' "$1" "$2" >&2
  exit 1
}

fn() { echo "${1}_${2//-/_}"; } # PREFIX COMPONENT: the name of its function
hash16() { sha256sum | cut -c1-16; }
component_dir() { echo "$CACHE/component/$1/${KEY[$1]}"; }

lock_cache() {
  mkdir -p "$CACHE/component" "$CACHE/bundle" ||
    die "cannot write to $CACHE" "set USERNETES_DEV_CACHE to a directory of your own"
  exec {LOCK}>"$CACHE/lock"
  flock -n "$LOCK" || { log "waiting for another hack/bundle that uses $CACHE" && flock "$LOCK"; }
  # Whoever holds the lock is alone: what is half-built was left by a run that was killed.
  rm -rf "$CACHE"/component/*/*.partial "$CACHE"/bundle/*.partial
}

compute_keys() {
  local name text
  for name in "${ORDER[@]}"; do
    text=$("$(fn inputs "$name")") || exit 1
    KEY[$name]=$({ echo "$name $ARCH" && declare -f "$(fn build "$name")" && echo "$text"; } | hash16)
  done
}

need() { # COMPONENT: builds it, and first what it is made from, unless it is cached
  local name=$1 dir start dependency
  [[ -z ${BUILT[$name]:-} ]] || return 0
  dir=$(component_dir "$name")
  if [[ -d $dir ]]; then
    log "$name: cached"
  else
    for dependency in ${NEEDS[$name]:-}; do need "$dependency"; done
    start=$SECONDS
    log "$name: building${WHAT[$name]:+ (${WHAT[$name]})}"
    mkdir -p "$dir.partial"
    # Not in an 'if' or '||': bash would ignore 'set -e' in everything called from there.
    "$(fn build "$name")" "$dir.partial"
    mv -T "$dir.partial" "$dir"
    log "$name: built in $((SECONDS - start)) s"
  fi
  BUILT[$name]=yes
}

# shellcheck shell=bash
# Puts the parts together under <cache>/bundle/<key>.
IMAGES=(busybox coredns flannel kube-proxy pause)

assemble() {
  local start=$SECONDS dir name
  BUNDLE_KEY=$({ printf '%s\n' "${KEY[@]}" | sort && declare -f lay_out write_manifest component_versions; } | hash16)
  dir=$CACHE/bundle/$BUNDLE_KEY
  if [[ -d $dir ]]; then
    log "bundle: cached"
  else
    for name in "${ORDER[@]}"; do need "$name"; done
    lay_out "$dir.partial"
    write_manifest "$dir.partial" >"$CACHE/bundle/yaml.partial"
    mv "$CACHE/bundle/yaml.partial" "$dir.partial/bundle.yaml"
    mv -T "$dir.partial" "$dir"
    log "bundle: $(du -sh "$dir" | cut -f1) in $((SECONDS - start)) s"
  fi
  ln -sfn "$BUNDLE_KEY" "$CACHE/bundle/current.partial"
  mv -T "$CACHE/bundle/current.partial" "$CACHE/bundle/current"
}

lay_out() { # DIR: hard links, so that a second bundle costs only what differs
  local name
  mkdir -p "$1"/{bin,cni,images}
  for name in kubernetes etcd containerd fuse-overlayfs-snapshotter runc; do cp -l "$(component_dir "$name")"/* "$1/bin/"; done
  rm "$1/bin/kube-proxy" # its place is in the image
  for name in cni-plugins flannel-cni-plugin; do cp -l "$(component_dir "$name")"/* "$1/cni/"; done
  cp -lr "$(component_dir nft)"/{bin,lib} "$1/"
  for name in "${IMAGES[@]}"; do cp -l "$(component_dir "image-$name")/$name.tar" "$1/images/"; done
}

copy_out() { # DIR TARGET: a copy, for what the reader does to it must not reach the cache
  if [[ -d $2 && -n $(ls -A "$2") ]]; then die "$2 is not empty" "name another directory, or empty it"; fi
  mkdir -p "$2"
  cp -a --reflink=auto "$1/." "$2/"
}

# shellcheck shell=bash
# bundle.yaml: what is in the bundle, and the digest of every file.
component_versions() {
  local name
  for name in busybox iptables nftables; do echo "$name $(deb_version $name)"; done
  echo "glibc $(deb_version libc6)"
  echo "libseccomp $(version_of_host libseccomp-dev)"
  echo "pause $PAUSE_VERSION"
  echo "cni-plugins $(go_version cni-plugins "$CNI_PLUGINS")"
  echo "containerd $(go_version containerd github.com/containerd/containerd/v2)"
  echo "coredns $(go_version coredns github.com/coredns/coredns)"
  echo "etcd $(go_version etcd go.etcd.io/etcd/server/v3)"
  echo "flannel $(go_version flannel github.com/flannel-io/flannel)"
  echo "flannel-cni-plugin $(go_version flannel-cni-plugin "$CNI_PLUGINS")"
  echo "fuse-overlayfs-snapshotter $(go_version fuse-overlayfs-snapshotter "$FUSE_OVERLAYFS_SNAPSHOTTER")"
  echo "kubernetes $(go_version kubernetes k8s.io/kubernetes)"
  echo "runc $(go_version runc github.com/opencontainers/runc)"
}

write_manifest() { # DIR
  local version name path executable
  version=$(go_version kubernetes k8s.io/kubernetes)
  printf '%s\n' 'apiVersion: usernetes.rs/v1alpha1' 'kind: Bundle' "name: $version-$ARCH" \
    "kubernetesVersion: $version" "architecture: $ARCH" 'components:'
  component_versions | LC_ALL=C sort | while read -r name version; do printf -- '- {name: %s, version: "%s"}\n' "$name" "$version"; done
  echo 'images:'
  for name in "${IMAGES[@]}"; do
    printf -- '- {name: %s, reference: "%s", path: images/%s.tar}\n' "$name" "$(image_reference "$name")" "$name"
  done
  echo 'files:'
  find "$1" -type f -printf '%P\n' | LC_ALL=C sort | while read -r path; do
    if [[ -x $1/$path ]]; then executable=true; else executable=false; fi
    printf -- '- {path: %s, size: %s, sha256: %s, executable: %s}\n' \
      "$path" "$(stat -c %s "$1/$path")" "$(sha256sum <"$1/$path" | cut -d' ' -f1)" $executable
  done
}

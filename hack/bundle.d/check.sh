#!/usr/bin/env bash
# usage: hack/bundle.d/check.sh DIR: does every program of a bundle run, do the images hold what they must? (as root, for chroot)
set -euo pipefail
. "$(dirname "$0")/../lib/usage.sh"
accept '[!-]*' "$@"
[ $# = 1 ] || refuse "one folder, please"
bundle=$(cd "$1" && pwd)
work=$(mktemp -d) failures=0
trap 'rm -rf "$work"' EXIT

answers() { # PATTERN COMMAND...
  local output
  output=$("${@:2}" 2>&1) || true
  if grep -qE -- "$1" <<<"$output"; then
    printf 'ok      %s: %s\n' "${*:2}" "$(grep -E -m1 -- "$1" <<<"$output")"
  else
    printf 'FAILED  %s: wanted /%s/, got: %s\n' "${*:2}" "$1" "$(head -c 300 <<<"$output")"
    failures=$((failures + 1))
  fi
}

unpack() { # IMAGE: its layers, one over the other, after their digests were compared
  local archive=$work/$1.d layer config
  mkdir "$archive" "$work/$1"
  tar -xf "$bundle/images/$1.tar" -C "$archive"
  config=$(grep -oE '[0-9a-f]{64}\.json' "$archive/manifest.json")
  answers "^${config%.json}" sha256sum "$archive/$config"
  grep -oE '[0-9a-f]{64}\.tar' "$archive/manifest.json" >"$archive/layers"
  while read -r layer; do
    answers "sha256:${layer%.tar}" grep -o "sha256:$(sha256sum <"$archive/$layer" | cut -d' ' -f1)" "$archive/$config"
    tar -xf "$archive/$layer" -C "$work/$1"
  done <"$archive/layers"
}

kubernetes=$(sed -n 's/^kubernetesVersion: //p' "$bundle/bundle.yaml")
for name in kubelet kube-apiserver kube-controller-manager kube-scheduler; do answers "^Kubernetes $kubernetes$" "$bundle/bin/$name" --version; done
answers "$kubernetes" "$bundle/bin/kubectl" version --client
answers "$kubernetes" "$bundle/bin/kubeadm" version
for name in etcd containerd runc ctr; do answers 'v?[0-9]+\.[0-9]+\.[0-9]+' "$bundle/bin/$name" --version; done
answers 'etcdctl version: 3' "$bundle/bin/etcdctl" version
answers 'Version="v2' "$bundle/bin/containerd-fuse-overlayfs-grpc"
answers 'Version: +v2' "$bundle/bin/containerd-shim-runc-v2" -v
ln -s "$bundle/bin/nft" "$work/nft"
nft=$(sed -nE 's/.*name: nftables, version: "([0-9.]+)-.*/\1/p' "$bundle/bundle.yaml")
for path in "$bundle/bin/nft" "$work/nft"; do answers "nftables v$nft" env -i "$path" --version; done
for name in bridge host-local loopback portmap flannel; do answers "plugin.* v[0-9]" "$bundle/cni/$name" --version; done
for name in busybox coredns flannel kube-proxy pause; do unpack $name; done
for name in flannel kube-proxy; do
  answers "nftables v$nft" chroot "$work/$name" nft --version
  answers 'nf_tables' chroot "$work/$name" iptables --version
  answers 'legacy' chroot "$work/$name" iptables-legacy --version
  answers '^tcp' grep -m1 ^tcp "$work/$name/etc/protocols"
  answers 'shell' chroot "$work/$name" sh -c 'echo shell'
done
answers "^Kubernetes $kubernetes$" chroot "$work/kube-proxy" /usr/local/bin/kube-proxy --version
answers '^v[0-9]' chroot "$work/flannel" /opt/bin/flanneld --version
answers 'CoreDNS-[0-9]' chroot "$work/coredns" /coredns -version
answers 'pause.c v' chroot "$work/pause" /pause -v
"$(dirname "$0")"/check-busybox.sh "$work/busybox" || failures=$((failures + 1))
((failures == 0)) || { echo "$failures checks failed" >&2 && exit 1; }

# shellcheck shell=bash
# The programs beside Kubernetes. Each function builds into the directory $1.
inputs_kubernetes() { go_inputs kubernetes; }
inputs_etcd() { go_inputs etcd; }
inputs_containerd() { go_inputs containerd; }
inputs_runc() { go_inputs runc && host_libraries; }
inputs_cni_plugins() { go_inputs cni-plugins; }
inputs_flannel_cni_plugin() { go_inputs flannel-cni-plugin; }
inputs_flannel() { go_inputs flannel && host_libraries; }
inputs_coredns() { go_inputs coredns; }
inputs_pause() { go_inputs kubernetes && host_libraries && echo "$PAUSE_VERSION"; }
PAUSE_VERSION=3.10.2
CNI_PLUGINS=github.com/containernetworking/plugins

build_etcd() {
  CGO_ENABLED=0 go_build etcd "$1/etcd" '' go.etcd.io/etcd/server/v3
  CGO_ENABLED=0 go_build etcd "$1/etcdctl" '' go.etcd.io/etcd/etcdctl/v3
}

build_containerd() {
  local module=github.com/containerd/containerd/v2
  CGO_ENABLED=0 go_build containerd "$1/" "-X $module/version.Version=$(go_version containerd $module)" \
    -tags no_btrfs,no_devmapper,no_zfs $module/cmd/{containerd,containerd-shim-runc-v2,ctr}
}

# runc carries its version in a file of its module.
build_runc() { CGO_ENABLED=1 go_build runc "$1/runc" '' -tags seccomp github.com/opencontainers/runc; }

build_cni_plugins() {
  local at=$CNI_PLUGINS/plugins
  CGO_ENABLED=0 go_build cni-plugins "$1/" "-X $CNI_PLUGINS/pkg/utils/buildversion.BuildVersion=$(go_version cni-plugins $CNI_PLUGINS)" \
    $at/main/{bridge,loopback} $at/ipam/host-local $at/meta/portmap
}

# The last release of the plugins that has it; flannel's own module cannot be had from the Go proxy.
build_flannel_cni_plugin() {
  CGO_ENABLED=0 go_build flannel-cni-plugin "$1/flannel" \
    "-X $CNI_PLUGINS/pkg/utils/buildversion.BuildVersion=$(go_version flannel-cni-plugin $CNI_PLUGINS)" $CNI_PLUGINS/plugins/meta/flannel
}

# Its udp backend is C, hence cgo; static, as in upstream's image. Names and users are
# looked up by Go: glibc's way needs its shared libraries even in a static program.
build_flannel() {
  local module=github.com/flannel-io/flannel
  CGO_ENABLED=1 go_build flannel "$1/flanneld" \
    "-linkmode external -extldflags -static -X $module/pkg/version.Version=$(go_version flannel $module)" \
    -tags netgo,osusergo $module
}

build_coredns() {
  CGO_ENABLED=0 go_build coredns "$1/coredns" '-X github.com/coredns/coredns/coremain.GitCommit=unknown' github.com/coredns/coredns
}

build_pause() {
  local module
  go -C "$HACK/go/kubernetes" mod download k8s.io/kubernetes
  module=$(go -C "$HACK/go/kubernetes" list -mod=readonly -m -f '{{.Dir}}' k8s.io/kubernetes)
  gcc -Os -Wall -static -s -DVERSION=v$PAUSE_VERSION -o "$1/pause" "$module/build/pause/linux/pause.c"
}

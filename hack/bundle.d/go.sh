# shellcheck shell=bash
# The programs. Each function builds into the directory $1, from hack/go/<component>/go.mod.
# shellcheck disable=SC2154 # names of programs, not variables
WHAT+=([kubernetes]="7 binaries" [etcd]="2 binaries" [containerd]="3 binaries" [cni-plugins]="4 binaries")
# The user's own settings must not decide what the bundle is made of.
export GOFLAGS='' GOWORK=off
K8S_IO=k8s.io/kubernetes/cmd

go_inputs() { # COMPONENT
  declare -f go_build && cat "$HACK/go/$1/go.mod" "$HACK/go/$1/go.sum"
  go -C "$HACK/go/$1" env GOVERSION
}

go_version() { # COMPONENT MODULE: the version its go.mod requires
  awk -v module="$2" '$1 == "require" { sub(/^require /, "") } $1 == module && $2 ~ /^v/ { print $2; exit }' "$HACK/go/$1/go.mod"
}

go_build() { # COMPONENT OUT LDFLAGS ARGUMENT...
  nice -n 5 go -C "$HACK/go/$1" build -mod=readonly -trimpath -buildvcs=false -ldflags "-s -w $3" -o "$2" "${@:4}" >&2 ||
    die "go could not build $1" "read its messages above; 'hack/bundle --only $1' tries again"
}

build_kubernetes() {
  local version flags='' package
  version=$(go_version kubernetes k8s.io/kubernetes)
  # Both: component-base is what --version prints, client-go what goes into user agents.
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    flags+=" -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=$(cut -d. -f2 <<<"$version")"
    flags+=" -X $package.gitTreeState=clean -X $package.gitCommit=unknown -X $package.buildDate=2026-01-01T00:00:00Z"
  done
  CGO_ENABLED=0 go_build kubernetes "$1/" "$flags" \
    $K8S_IO/{kube-apiserver,kube-controller-manager,kube-proxy,kube-scheduler,kubeadm,kubectl,kubelet}
}

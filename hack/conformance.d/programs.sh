# shellcheck shell=bash
# Upstream's test programs. Each function builds into the directory $1, from hack/go/<component>/go.mod.
# e2e-test first: it takes longest, and nothing waits for it.
# shellcheck disable=SC2034,SC2154 # bundle.d/lib.sh reads them
ORDER=(e2e-test ginkgo test-images sample-apiserver pause busybox debian base-layer agnhost-layer busybox-layer nginx-layer images)
# shellcheck disable=SC2034,SC2154
WHAT=([e2e-test]="a few minutes from an empty Go cache" [debian]="some 80 packages")
# shellcheck disable=SC2034,SC2154
NEEDS=([base-layer]=debian [busybox-layer]='debian busybox' [nginx-layer]=debian [agnhost-layer]='base-layer test-images pause'
  [images]='base-layer agnhost-layer busybox-layer nginx-layer test-images sample-apiserver')

inputs_e2e_test() { go_inputs conformance && declare -f version_flags; }
inputs_ginkgo() { go_inputs conformance; }
inputs_test_images() { go_inputs conformance && echo "$AGNHOST_VERSION"; }
inputs_sample_apiserver() { go_inputs sample-apiserver; }

kubernetes_tests() { go -C "$HACK/go/conformance" list -mod=readonly -m -f '{{.Dir}}/test' k8s.io/kubernetes; }

version_flags() { # the suite compares its own version with the API server's
  local version package
  version=$(go_version conformance k8s.io/kubernetes)
  for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
    printf ' -X %s.%s' $package "gitVersion=$version" $package gitMajor=1 $package "gitMinor=$(cut -d. -f2 <<<"$version")" \
      $package gitTreeState=clean $package gitCommit=unknown $package buildDate=2026-01-01T00:00:00Z
  done
}

# Not vetted: that would read the thousand packages below it once more.
build_e2e_test() {
  CGO_ENABLED=0 nice -n 5 go -C "$HACK/go/conformance" test -c -mod=readonly -trimpath -buildvcs=false \
    -vet=off -ldflags "-s -w$(version_flags)" -o "$1/e2e.test" k8s.io/kubernetes/test/e2e >&2 ||
    die "go could not build e2e.test" "read its messages above; it needs about 4 GiB of memory and of disk"
}

build_ginkgo() { CGO_ENABLED=0 go_build conformance "$1/ginkgo" '' github.com/onsi/ginkgo/v2/ginkgo; }

build_test_images() {
  CGO_ENABLED=0 go_build conformance "$1/" "-X main.Version=$AGNHOST_VERSION" k8s.io/kubernetes/test/images/{agnhost,nonewprivs}
}

build_sample_apiserver() { CGO_ENABLED=0 go_build sample-apiserver "$1/" '' k8s.io/sample-apiserver; }

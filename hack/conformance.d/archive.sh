# shellcheck shell=bash
# The archive of all test images, and the registry inside agnhost.
blob() { # DIR FILE: where agnhost's fake registry looks for it; prints "digest":…,"size":…
  local digest
  digest=$(sha256sum <"$2" | cut -d' ' -f1)
  install -D -m 644 "$2" "$1/sha256/${digest::2}/$digest/data"
  printf '"digest":"sha256:%s","size":%s' "$digest" "$(stat -c %s "$2")"
}

fake_registry() { # DIR WORK: pause:testing, as crane would copy it there
  local dir=$1 layer=$2 oci=application/vnd.oci.image config
  one_file "$layer" "$(component_dir pause)/pause" pause 755
  printf '{"architecture":"%s","os":"linux","config":{"Entrypoint":["/pause"],"User":"65535:65535"},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' \
    "$ARCH" "$(sha256sum <"$layer" | cut -d' ' -f1)" >"$layer.config"
  config=$(blob "$dir/blobs" "$layer.config")
  printf '{"schemaVersion":2,"mediaType":"%s.manifest.v1+json","config":{"mediaType":"%s.config.v1+json",%s},"layers":[{"mediaType":"%s.layer.v1.tar",%s}]}' \
    $oci $oci "$config" $oci "$(blob "$dir/blobs" "$layer")" >"$layer.manifest"
  printf '{"schemaVersion":2,"mediaType":"%s.index.v1+json","manifests":[{"mediaType":"%s.manifest.v1+json","platform":{"architecture":"%s","os":"linux"},%s}]}' \
    $oci $oci "$ARCH" "$(blob "$dir/manifests" "$layer.manifest")" >"$layer.index"
  blob "$dir/manifests" "$layer.index" | grep -o 'sha256:[0-9a-f]*' >"$dir/manifests/testing"
  rm "$layer" "$layer".*
}

build_images() {
  local work=$1/work base busybox nginx agnhost tests name version file
  mkdir "$work"
  tests=$(kubernetes_tests)
  for name in base busybox nginx agnhost; do printf -v $name %s "$(component_dir $name-layer)/layer.tar"; done
  for version in $AGNHOST_VERSION $AGNHOST_PREVIOUS; do
    image "$work" "$E2E/agnhost:$version" '"Entrypoint":["/agnhost"],"Cmd":["pause"]' "$base" "$agnhost"
  done
  for name in nautilus kitten; do
    for file in $name.jpg data.json; do install -D -m 644 "$tests/images/$name/html/$file" "$1/$name/$file"; done
    packed "$1/$name" "$1/$name.tar"
    image "$work" "$E2E/$name:1.8" '"Entrypoint":["/agnhost"],"Cmd":["test-webserver"]' "$base" "$agnhost" "$1/$name.tar"
  done
  image "$work" "$E2E/busybox:1.37.0-1" '"Cmd":["sh"]' "$busybox"
  for version in 1.15-4 1.27-0; do
    image "$work" "$E2E/nginx:$version" '"Cmd":["nginx","-g","daemon off;"],"StopSignal":"SIGQUIT"' "$base" "$nginx"
  done
  image "$work" "$E2E/nonroot:1.5" '"User":"1234","Cmd":["sh"]' "$base"
  image "$work" "$E2E/glibc-dns-testing:2.0.0" '"Cmd":["bash"]' "$base"
  one_file "$1/nnp.tar" "$(component_dir test-images)/nonewprivs" usr/local/bin/nnp 6755
  image "$work" "$E2E/nonewprivs:1.4" '"Cmd":["nnp"]' "$base" "$1/nnp.tar"
  one_file "$1/sample.tar" "$(component_dir sample-apiserver)/sample-apiserver" sample-apiserver 755
  image "$work" "$E2E/sample-apiserver:1.29.2" '"Entrypoint":["/sample-apiserver"]' "$1/sample.tar"
  mkdir -p "$1/etcd.tar.d/tmp" && chmod 1777 "$1/etcd.tar.d/tmp"
  one_file "$1/etcd.tar" "$BUNDLE/bin/etcd" usr/local/bin/etcd 755
  image "$work" registry.k8s.io/etcd:3.6.8-0 '"Cmd":["etcd"]' "$1/etcd.tar"
  { printf '[' && cut -c2- "$work/list" && printf ']'; } >"$work/manifest.json"
  rm "$work/list"
  make_tar "$work" "$1/conformance.tar"
  find "$1" -mindepth 1 ! -name conformance.tar -delete
}

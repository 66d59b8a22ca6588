# shellcheck shell=bash
# The images, with upstream's references and paths: the same manifests work with both.
IMAGE_PATH='"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]'
image_inputs() { # COMPONENT...
  declare -f make_tar docker_archive program_layer program_image link_applets root_skeleton unpack_debs in_root image_reference
  echo "$IMAGE_PATH"
  local name
  for name in "$@"; do echo "${KEY[$name]}"; done
}
inputs_base_layer() { image_inputs debian; }
inputs_image_busybox() { image_inputs debian && cat "$HACK/bundle.d/busybox-wget.sh"; }
inputs_image_coredns() { image_inputs coredns; }
inputs_image_flannel() { image_inputs base-layer flannel; }
inputs_image_kube_proxy() { image_inputs base-layer kubernetes; }
inputs_image_pause() { image_inputs pause && echo "$PAUSE_VERSION"; }

image_reference() { # IMAGE
  case $1 in
    busybox) echo docker.io/library/busybox:1.35.0 ;;
    coredns) echo "registry.k8s.io/coredns/coredns:$(go_version coredns github.com/coredns/coredns)" ;;
    flannel) echo "ghcr.io/flannel-io/flannel:$(go_version flannel github.com/flannel-io/flannel)" ;;
    kube-proxy) echo "registry.k8s.io/kube-proxy:$(go_version kubernetes k8s.io/kubernetes)" ;;
    pause) echo "registry.k8s.io/pause:$PAUSE_VERSION" ;;
  esac
}

program_image() { # DIR IMAGE PROGRAM PATH [EXTRA [BASE-LAYER]]
  program_layer "$1/program" "$3" "$4"
  docker_archive "$1/$2.tar" "$(image_reference "$2")" "{$IMAGE_PATH,\"Entrypoint\":[\"/$4\"]${5:-}}" ${6:+"$6"} "$1/program"
  rm "$1/program"
}

build_image_busybox() {
  unpack_debs "$1/root" busybox libc6
  install -m 755 "$HACK/bundle.d/busybox-wget.sh" "$1/root/usr/bin/wget"
  link_applets "$1/root"
  root_skeleton "$1/root"
  make_tar "$1/root" "$1/layer"
  docker_archive "$1/busybox.tar" "$(image_reference busybox)" "{$IMAGE_PATH,\"Cmd\":[\"sh\"]}" "$1/layer"
  rm -rf "$1/root" "$1/layer"
}

build_image_coredns() { program_image "$1" coredns "$(component_dir coredns)/coredns" coredns; }
build_image_pause() { program_image "$1" pause "$(component_dir pause)/pause" pause ',"User":"65535:65535"'; }
build_image_flannel() {
  program_image "$1" flannel "$(component_dir flannel)/flanneld" opt/bin/flanneld '' "$(component_dir base-layer)/layer.tar"
}
build_image_kube_proxy() {
  program_image "$1" kube-proxy "$(component_dir kubernetes)/kube-proxy" usr/local/bin/kube-proxy '' "$(component_dir base-layer)/layer.tar"
}

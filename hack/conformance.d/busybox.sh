# shellcheck shell=bash
# busybox of upstream's source, unchanged but for what Debian's sources lack: tests compare what its shell says of a file that
# it cannot write, and give it variables that are no shell names, which Debian's own build drops.
BUSYBOX_SUITE=trixie BUSYBOX_VERSION=1.37

inputs_busybox() { echo "$BUSYBOX_SUITE $BUSYBOX_VERSION" && host_libraries; }

build_busybox() {
  local source=$1/source
  # shellcheck source=/dev/null
  (source "$HACK/lib/common.sh" && install_packages make bzip2 debian-archive-keyring)
  mkdir -p "$1/lists/partial" "$source"
  echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $BUSYBOX_SUITE main" >"$1/sources.list"
  suite_apt "$1" apt-get update >&2
  (cd "$1" && suite_apt "$1" apt-get source --download-only busybox >&2)
  tar -xf "$1"/busybox_$BUSYBOX_VERSION.*.orig.tar.* --strip-components=1 -C "$source" ||
    die "$BUSYBOX_SUITE has no busybox $BUSYBOX_VERSION" "set BUSYBOX_SUITE in hack/conformance.d/busybox.sh to a suite that has it"
  make -s -C "$source" defconfig >&2
  # It wants a header that newer kernels no longer have.
  sed -i 's/^CONFIG_TC=y/# CONFIG_TC is not set/' "$source/.config"
  make -s -C "$source" -j"$(nproc)" busybox >&2
  mv "$source/busybox" "$1/busybox"
  rm -rf "$source" "$1"/{lists,sources.list} "$1"/busybox_*
}

inputs_busybox_layer() { layer_inputs debian busybox; }

build_busybox_layer() {
  local root=$1/root names
  mapfile -t names < <(closure_names libc6)
  unpack_debs "$root" "${names[@]}"
  install -m 755 "$(component_dir busybox)/busybox" "$root/usr/bin/busybox"
  link_applets "$root"
  root_skeleton "$root"
  packed "$root" "$1/layer.tar"
}

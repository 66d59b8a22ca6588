# shellcheck shell=bash
# Debian's nft for hosts that have none, or another version than kube-proxy's image:
# an older nft crashes on what a newer one wrote.
inputs_nft() { echo "${KEY[debian]}" && declare -f unpack_debs in_root && cat "$HACK/bundle.d/nft-wrapper.sh"; }

build_nft() {
  local root=$1/root name path
  unpack_debs "$root" "${NFT_DEBS[@]}"
  mkdir -p "$1/lib/nft" "$1/bin"
  cp -L "$root/usr/sbin/nft" "$1/lib/nft/nft"
  cp -L "$root"/usr/lib/*/ld-linux-*.so.* "$1/lib/nft/ld.so"
  while read -r name _ path _; do
    [[ $path != /* || $name == */ld-* ]] || cp -L "$path" "$1/lib/nft/$name"
  done < <(in_root "$root" --list usr/sbin/nft)
  install -m 755 "$HACK/bundle.d/nft-wrapper.sh" "$1/bin/nft"
  rm -rf "$root"
}

# shellcheck shell=bash
# The layer that kube-proxy and flannel share: nft, iptables in both flavours, a shell.
build_base_layer() {
  unpack_debs "$1/root" "${BASE_DEBS[@]}"
  link_applets "$1/root"
  root_skeleton "$1/root"
  local family tool
  for family in iptables ip6tables; do # nft by default, as Debian's alternatives choose
    for tool in '' -save -restore; do ln -sf xtables-nft-multi "$1/root/usr/sbin/$family$tool"; done
  done
  make_tar "$1/root" "$1/layer.tar"
  rm -rf "$1/root"
}

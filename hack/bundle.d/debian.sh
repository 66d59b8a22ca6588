# shellcheck shell=bash
# What comes from the host's Debian archive, in its current versions.
NFT_DEBS=(libbsd0 libc6 libedit2 libgmp10 libjansson4 libmd0 libmnl0 libnftables1 libnftnl11 libtinfo6 libxtables12 nftables)
# netbase for /etc/protocols: without it kube-proxy takes its own map entries for stale and empties them.
BASE_DEBS=("${NFT_DEBS[@]}" busybox iptables libip4tc2 libip6tc2 libnetfilter-conntrack3 libnfnetlink0 netbase)

debs_uris() {
  apt-get download --print-uris -qq "${BASE_DEBS[@]}" 2>/dev/null | awk '{ print $2, $NF }'
}

inputs_debian() {
  debs_uris && return
  ((EUID == 0)) || die "apt-get knows not every package of: ${BASE_DEBS[*]}" "sudo apt-get update"
  log "debian: reading the archive's lists"
  { apt-get update -q >&2 && debs_uris; } ||
    die "apt-get knows not every package of: ${BASE_DEBS[*]}" "run hack/bundle on Debian 12 with a package archive configured"
}

build_debian() {
  local options=()
  # Else root's apt-get warns that its own unprivileged user cannot read the cache.
  ((EUID)) || options=(-o APT::Sandbox::User=root)
  (cd "$1" && apt-get "${options[@]}" download -qq "${BASE_DEBS[@]}" >&2) ||
    die "apt-get could not download Debian packages" "apt-get update (as root), then again"
}

deb_version() { dpkg-deb -f "$(component_dir debian)/$1"_*.deb Version; } # PACKAGE

unpack_debs() { # ROOT PACKAGE...: no postinst runs, so merged /usr and the links are made by hand
  local root=${1:?} package link
  shift
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
  for link in bin sbin lib lib64; do ln -s "usr/$link" "$root/$link"; done
  for package in "$@"; do
    dpkg-deb --fsys-tarfile "$(component_dir debian)/$package"_*.deb |
      tar -x --no-same-owner --keep-directory-symlink -C "$root"
  done
  rm -rf "${root:?}"/usr/{share,lib/init} "$root"/usr/lib/*/{gconv,audit} "$root"/etc/{init.d,default,ld.so.conf.d,network,nftables.conf,ethertypes}
}

in_root() { # ROOT [--list] PROGRAM ARGUMENT...: runs it with the root's own libraries, without being root
  local lib loader list=()
  lib=$(dirname "$1"/usr/lib/*/libc.so.6)
  loader=$(echo "$lib"/ld-linux-*.so.*)
  if [[ $2 == --list ]]; then list=(--list) && set -- "$1" "${@:3}"; fi
  "$loader" --library-path "$lib" "${list[@]}" "$1/$2" "${@:3}"
}

# shellcheck shell=bash
# Layers of the test images, from Debian packages with everything they depend on.
# bash: other shells drop variables that are no shell names (data-1=…), which tests set. netcat-openbsd: busybox's nc lacks -u and -v.
BASE_PACKAGES=(bash bind9-dnsutils busybox coreutils curl iperf iproute2 iptables libc-bin netcat-openbsd)

apt_install() { # ARGUMENT...: as on a machine that has nothing yet
  apt-get -o Dir::State::status=/dev/null -o Debug::NoLocking=1 -o APT::Sandbox::User=root --no-install-recommends -qqy install "$@"
}

closure_names() { # PACKAGE...: names of these and of all that they need
  apt_install --print-uris "$@" | awk '{ sub(/_.*/, "", $2); print $2 }' | sort
}

debs_uris() { apt_install --print-uris nginx-light "${BASE_PACKAGES[@]}" | awk '{ print $2, $NF }'; }
inputs_debian() { debs_uris || die "apt-get knows not every package of: ${BASE_PACKAGES[*]}" "sudo apt-get update"; }

build_debian() {
  mkdir -p "$1/partial"
  apt_install --download-only -o Dir::Cache::archives="$1" nginx-light "${BASE_PACKAGES[@]}" >&2 ||
    die "apt-get could not download Debian packages" "apt-get update (as root), then again"
  rm -rf "$1"/{partial,lock}
}

debian_root() { # ROOT PACKAGE...: no postinst runs, so what Debian's alternatives choose is linked by hand
  local root=$1 tool family
  unpack_debs "$root" "${@:2}"
  [[ ! -e $root/usr/bin/bash ]] || ln -s bash "$root/usr/bin/sh"
  [[ ! -e $root/usr/bin/nc.openbsd ]] || ln -s nc.openbsd "$root/usr/bin/nc"
  for family in iptables ip6tables; do
    for tool in '' -save -restore; do [[ ! -e $root/usr/sbin/xtables-nft-multi ]] || ln -sf xtables-nft-multi "$root/usr/sbin/$family$tool"; done
  done
  link_applets "$root"
  root_skeleton "$root"
}

layer_inputs() { # COMPONENT...
  declare -f unpack_debs in_root debian_root closure_names make_tar link_applets root_skeleton
  local name
  for name in "$@"; do echo "${KEY[$name]}"; done
}
inputs_base_layer() { layer_inputs debian && echo "${BASE_PACKAGES[*]}"; }
inputs_nginx_layer() { layer_inputs debian && echo "${BASE_PACKAGES[*]}"; }

packed() { # ROOT FILE
  make_tar "$1" "$2" && rm -rf "$1"
}

build_base_layer() {
  local names
  mapfile -t names < <(closure_names "${BASE_PACKAGES[@]}")
  debian_root "$1/root" "${names[@]}"
  packed "$1/root" "$1/layer.tar"
}

# shellcheck shell=bash
# What the machine must have. Root installs it, an ordinary user is told the command.
case $(uname -m) in
  x86_64) ARCH=amd64 ;;
  aarch64) ARCH=arm64 ;;
  *) ARCH=$(uname -m) ;;
esac

host_packages() { # prints the Debian packages that are missing
  command -v gcc >/dev/null || echo gcc
  [[ -n $(find /usr/lib /usr/lib64 -maxdepth 2 -name libc.a -print -quit 2>/dev/null) ]] || echo libc6-dev
  [[ -e /usr/include/seccomp.h ]] || echo libseccomp-dev
  command -v pkg-config >/dev/null || echo pkg-config
}

host_check() {
  [[ $ARCH == amd64 || $ARCH == arm64 ]] ||
    die "this machine's architecture is $ARCH" "build on x86_64 or aarch64: the bundle's programs are not cross-compiled"
  command -v go >/dev/null || die "go is not installed" "install Go 1.26.8 or newer and put it into PATH"
  local tool missing
  for tool in apt-get dpkg-deb dpkg-query; do
    command -v "$tool" >/dev/null ||
      die "$tool is missing: the images are made from Debian packages" "run hack/bundle on Debian 12, or in a container of it"
  done
  missing=$(host_packages | tr '\n' ' ')
  [[ -n $missing ]] || return 0
  if ((EUID)); then
    die "missing on this machine: $missing" "sudo apt-get install --no-install-recommends $missing"
  fi
  log "host: installing $missing"
  # shellcheck disable=SC2086 # a list of words
  { apt-get update -q && apt-get install -qy --no-install-recommends $missing; } >&2 ||
    die "apt-get could not install $missing" "read its messages above; is a package archive configured and reachable?"
}

host_libraries() { # what cgo and gcc take from the host
  dpkg-query -W -f '${Package} ${Version}\n' gcc libc6-dev libseccomp-dev
}

version_of_host() { # PACKAGE
  # shellcheck disable=SC2016 # dpkg-query's own variables
  dpkg-query -W -f '${Version}' "$1"
}

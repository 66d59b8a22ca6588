# shellcheck shell=bash disable=SC2034
# What the scripts of this directory share. Sourced.

say() { printf '\n=== %s (%d s)\n' "$*" "$SECONDS" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

# Packages of the distribution that running, building and testing need; Rust and Go come from elsewhere.
RUN_PACKAGES="uidmap slirp4netns"
BUILD_PACKAGES="gcc libc6-dev libseccomp-dev pkg-config xz-utils curl ca-certificates"
# conmon and skopeo for CRI-O, fuse-overlayfs and fuse3 for state on file systems that carry no overlay.
TEST_PACKAGES="conmon skopeo fuse-overlayfs fuse3 iproute2 nftables openssh-client openssh-server openssl procps util-linux"

missing_packages() { # names of those that are not installed
  local package
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf '%s ' "$package"
  done
}

install_packages() { # installs as root; as another user says what an administrator runs
  local missing
  missing=$(missing_packages "$@")
  [ -z "$missing" ] && return
  [ "$(id -u)" = 0 ] || die "missing packages; as root: apt-get install -y $missing"
  say "installing $missing"
  # shellcheck disable=SC2086
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing; } >&2
}

need_toolchains() {
  command -v cargo >/dev/null || die "cargo is not in PATH: install Rust (rustup) first"
  command -v go >/dev/null || die "go is not in PATH: install Go first"
}

target_directory() { # cargo's, of this machine's triple
  printf '%s/%s\n' "${CARGO_TARGET_DIR:-$PWD/target}" "$(rustc -vV | sed -n 's/^host: //p')"
}

release_binary() { # builds it and prints its path
  cargo build --release --locked -p usernetes-rs >&2
  printf '%s/release/usernetes-rs\n' "$(target_directory)"
}

# shellcheck shell=bash
# The guests' disk: Debian with systemd, as its installer leaves it, with an ordinary user.
ROOT_SUITE=trixie
ROOT_SIZE=16G # sparse
ROOT_PACKAGES=(systemd systemd-sysv systemd-resolved dbus-user-session libpam-systemd udev openssh-server
  uidmap slirp4netns passt fuse-overlayfs fuse3 crun iproute2 iputils-ping nftables procps kmod apparmor
  conmon skopeo podman)

inputs_guest_root() {
  declare -f guest_files
  echo "$ROOT_SUITE $ROOT_SIZE ${ROOT_PACKAGES[*]}"
  (cd "$HACK/realhost.d/root" && find . -type f -exec sha256sum {} + | sort)
}

guest_files() { # ROOT KEY: files of ours, the user, and who may log in
  local root=$1 home
  cp -r --no-preserve=ownership "$HACK/realhost.d/root/." "$root"
  # What useradd of the installer does too; the range is the distribution's.
  chroot "$root" useradd --create-home --shell /bin/bash --password '*' alice
  printf 'alice:100000:65536\n' | tee "$root/etc/subuid" >"$root/etc/subgid"
  for home in root home/alice; do
    install -D -m 0600 "$2.pub" "$root/$home/.ssh/authorized_keys"
    chmod 0700 "$root/$home/.ssh"
  done
  chroot "$root" chown -R alice: /home/alice
  chroot "$root" systemctl -q enable systemd-networkd systemd-network-generator
  chroot "$root" systemctl -q mask getty@tty1 apt-daily.timer apt-daily-upgrade.timer e2scrub_reap dpkg-db-backup.timer systemd-networkd-wait-online
  chroot "$root" ssh-keygen -A >&2
  : >"$root/etc/machine-id"
}

build_guest_root() {
  local packages
  packages=$(IFS=, && echo "${ROOT_PACKAGES[*]}")
  ssh-keygen -q -t ed25519 -N '' -C realhost -f "$1/key"
  mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" --aptopt='Acquire::Languages "none"' \
    "$ROOT_SUITE" "$1/root" "$(debian_mirror)" >"$1/log" 2>&1 || { tail -n 20 "$1/log" >&2 && return 1; }
  guest_files "$1/root" "$1/key"
  mkfs.ext4 -q -L root -d "$1/root" "$1/root.img" "$ROOT_SIZE"
  rm -rf "$1/root" "$1/log"
}

# shellcheck shell=bash
# The guests' kernel: user-mode Linux out of Debian's own kernel source.
KERNEL_SUITE=trixie-backports # from 7.0 on: older ones stop on processors with AMX, and have no SMP
KERNEL_PACKAGE='^linux-source-7\.[0-9]+$'

inputs_guest_kernel() {
  declare -f suite_apt kernel_source tell_clock_speed restrict_user_namespaces configure_kernel
  echo "$KERNEL_SUITE $KERNEL_PACKAGE" && cat "$HACK/realhost.d/kernel.config"
}

kernel_source() { # DIR: unpacks it there
  local apt=$1.apt package
  mkdir -p "$apt/lists/partial" "$1"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $KERNEL_SUITE main" >"$apt/sources.list"
  suite_apt "$apt" apt-get update >&2
  package=$(suite_apt "$apt" apt-cache search --names-only "$KERNEL_PACKAGE" | cut -d' ' -f1 | sort -V | head -1)
  [[ -n $package ]] || die "$KERNEL_SUITE has no package like $KERNEL_PACKAGE" "set KERNEL_PACKAGE in hack/realhost.d/kernel.sh to one that it has"
  log "guest-kernel: $package"
  (cd "$apt" && suite_apt "$apt" apt-get download "$package" >&2)
  dpkg-deb --fsys-tarfile "$apt/$package"_*.deb | tar -xO "./usr/src/$package.tar.xz" | tar -xJ --strip-components=1 -C "$1"
  rm -r "$apt"
}

tell_clock_speed() { # SOURCE: the kubelet ends without a "cpu MHz" line, which only this architecture leaves out
  local file=$1/arch/um/kernel/um_arch.c
  sed -i '/seq_printf(m, "mode\\t\\t: skas/a seq_puts(m, "cpu MHz\\t\\t: 2000.000\\n");' "$file"
  grep -q 'cpu MHz' "$file" || die "no place for the clock speed in $file" "read show_cpuinfo there, and change tell_clock_speed"
}

# Ubuntu's switch, off until it is set: who has no profile and no CAP_SYS_ADMIN makes no user namespace. Upstream's
# AppArmor only knows it for programs that have one.
restrict_user_namespaces() { # SOURCE
  local file=$1/security/apparmor/lsm.c name=apparmor_restrict_unprivileged_userns
  sed -i -e "/^static int apparmor_userns_create/i static int $name;\n" \
    -e "/^static int apparmor_userns_create/,/^}/s/^\tend_current_label_crit/\tif ($name \&\& label == ns_unconfined(labels_ns(label)) \&\& !ns_capable(current_user_ns(), CAP_SYS_ADMIN))\n\t\terror = -EACCES;\n&/" \
    -e "/^static const struct ctl_table apparmor_sysctl_table/a {.procname = \"$name\", .data = \&$name, .maxlen = sizeof(int), .mode = 0644, .proc_handler = proc_dointvec}," "$file"
  [[ $(grep -c "$name" "$file") = 3 ]] || die "no place for $name in $file" "read apparmor_userns_create there, and change restrict_user_namespaces"
}

configure_kernel() { # SOURCE: every line of the fragment must come true
  local wanted=$HACK/realhost.d/kernel.config lost
  make -s -C "$1" ARCH=um x86_64_defconfig >&2
  (cd "$1" && ARCH=um scripts/kconfig/merge_config.sh .config "$wanted" >merge.log 2>&1) || { cat "$1/merge.log" >&2 && return 1; }
  lost=$(grep '^CONFIG_' "$wanted" | grep -vxFf "$1/.config" | tr '\n' ' ') || true
  [[ -z $lost ]] || die "the kernel refuses $lost" "change hack/realhost.d/kernel.config"
}

build_guest_kernel() {
  kernel_source "$1/source"
  tell_clock_speed "$1/source"
  restrict_user_namespaces "$1/source"
  configure_kernel "$1/source"
  make -s -C "$1/source" ARCH=um -j"$(nproc)" >"$1/log" 2>&1 || { tail -n 20 "$1/log" >&2 && return 1; }
  strip -o "$1/linux" "$1/source/linux"
  rm -rf "$1/source" "$1/log"
}

# shellcheck shell=bash
# Layers and docker-archive files, the same bytes for the same content.
make_tar() { # DIR FILE
  tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --format=gnu -C "$1" -cf "$2" .
}

docker_archive() { # FILE REFERENCE CONFIG LAYER...: CONFIG is the image's "config" object
  local file=$1 reference=$2 config=$3 work=$1.d layer digest diff_ids='' layers=''
  shift 3
  mkdir "$work"
  for layer in "$@"; do
    digest=$(sha256sum <"$layer" | cut -d' ' -f1)
    ln -f "$layer" "$work/$digest.tar"
    diff_ids+=",\"sha256:$digest\""
    layers+=",\"$digest.tar\""
  done
  printf '{"architecture":"%s","os":"linux","created":"1970-01-01T00:00:00Z","config":%s,"rootfs":{"type":"layers","diff_ids":[%s]}}' \
    "$ARCH" "$config" "${diff_ids#,}" >"$work/config.json"
  digest=$(sha256sum <"$work/config.json" | cut -d' ' -f1)
  mv "$work/config.json" "$work/$digest.json"
  printf '[{"Config":"%s.json","RepoTags":["%s"],"Layers":[%s]}]' "$digest" "$reference" "${layers#,}" >"$work/manifest.json"
  make_tar "$work" "$file"
  rm -rf "$work"
}

program_layer() { # FILE PROGRAM PATH: a layer with one program
  mkdir -p "$1.d/$(dirname "$3")"
  install -m 755 "$2" "$1.d/$3"
  make_tar "$1.d" "$1"
  rm -rf "$1.d"
}

link_applets() { # ROOT: every busybox applet that the root does not have as a program of its own
  local applet
  for applet in $(in_root "$1" usr/bin/busybox --list); do
    [[ -e $1/usr/sbin/$applet || -e $1/usr/bin/$applet ]] || ln -s busybox "$1/usr/bin/$applet"
  done
}

root_skeleton() { # ROOT
  mkdir -p "$1"/{dev,etc,proc,root,run,sys,tmp,var/tmp,var/log}
  chmod 1777 "$1/tmp" "$1/var/tmp"
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'nobody:x:65534:65534:nobody:/:/bin/false' >"$1/etc/passwd"
  printf '%s\n' 'root:x:0:' 'nogroup:x:65534:' >"$1/etc/group"
  echo 'hosts: files dns' >"$1/etc/nsswitch.conf"
}

# shellcheck shell=bash
# The images that [Conformance] uses, under upstream's names, in one archive: they share layers.
# What they are made of instead of upstream's Alpine: README.md beside this file.
# The suite's newest and the one before: rollouts go from one to the other, and only the names differ.
# shellcheck disable=SC2034 # archive.sh reads them
E2E=registry.k8s.io/e2e-test-images AGNHOST_VERSION=2.63.0 AGNHOST_PREVIOUS=2.55

inputs_agnhost_layer() { layer_inputs base-layer test-images pause && declare -f fake_registry blob; }
inputs_images() { layer_inputs base-layer busybox-layer nginx-layer agnhost-layer test-images sample-apiserver && declare -f image one_file && sha256sum <"$BUNDLE/bin/etcd"; }

build_nginx_layer() { # what nginx needs beyond the base
  local names root=$1/root
  mapfile -t names < <(comm -13 <(closure_names "${BASE_PACKAGES[@]}") <(closure_names nginx-light "${BASE_PACKAGES[@]}"))
  unpack_debs "$root" "${names[@]}"
  mkdir -p "$root"/var/{lib,log}/nginx "$root/usr/share/nginx/html" "$root/etc/nginx/sites-enabled" "$root/run"
  ln -s /dev/stdout "$root/var/log/nginx/access.log" && ln -s /dev/stderr "$root/var/log/nginx/error.log"
  printf 'server {\n listen 80 default_server;\n listen [::]:80 default_server;\n root /usr/share/nginx/html;\n}\n' >"$root/etc/nginx/sites-enabled/default"
  echo 'Welcome to nginx!' >"$root/usr/share/nginx/html/index.html"
  mkdir -p "$root/etc"
  printf '%s\n' 'root:x:0:0:root:/root:/bin/sh' 'www-data:x:33:33:www-data:/var/www:/bin/false' >"$root/etc/passwd"
  printf '%s\n' 'root:x:0:' 'www-data:x:33:' >"$root/etc/group"
  packed "$root" "$1/layer.tar"
}

build_agnhost_layer() { # as agnhost's Dockerfile in k8s.io/kubernetes
  local root=$1/root tests file
  tests=$(kubernetes_tests)
  mkdir -p "$root"/{uploads,etc,usr/local/bin,home/user-defined-in-image}
  install -m 755 "$(component_dir test-images)/agnhost" "$root/agnhost"
  ln -s agnhost "$root/agnhost-2" && ln -s /usr/bin/iperf "$root/usr/local/bin/iperf"
  for file in crt key; do install -m 644 "$tests/images/agnhost/porter/localhost.$file" "$root/localhost.$file"; done
  tar -xf "$(component_dir base-layer)/layer.tar" -C "$root" ./etc/passwd ./etc/group
  echo 'user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh' >>"$root/etc/passwd"
  printf '%s\n' 'user-defined-in-image:x:1000:' 'group-defined-in-image:x:50000:user-defined-in-image' >>"$root/etc/group"
  fake_registry "$root/var/registry/pause" "$1/pause.tar"
  packed "$root" "$1/layer.tar"
}

one_file() { # FILE PROGRAM PATH MODE: a layer with one program
  install -D -m "$4" "$2" "$1.d/$3"
  packed "$1.d" "$1"
}

image() { # WORK REFERENCE CONFIG LAYER...: adds to the archive that is put together in WORK
  local work=$1 reference=$2 config=$3 layer digest diff_ids='' layers=''
  for layer in "${@:4}"; do
    digest=$(sha256sum <"$layer" | cut -d' ' -f1)
    ln -f "$layer" "$work/$digest.tar"
    diff_ids+=",\"sha256:$digest\"" layers+=",\"$digest.tar\""
  done
  printf '{"architecture":"%s","os":"linux","created":"1970-01-01T00:00:00Z","config":{%s,"Labels":{"substitute":"%s"},%s},"rootfs":{"type":"layers","diff_ids":[%s]}}' \
    "$ARCH" "$IMAGE_PATH" "$reference" "$config" "${diff_ids#,}" >"$work/config"
  digest=$(sha256sum <"$work/config" | cut -d' ' -f1)
  mv "$work/config" "$work/$digest.json"
  printf ',{"Config":"%s.json","RepoTags":["%s"],"Layers":[%s]}' "$digest" "$reference" "${layers#,}" >>"$work/list"
}

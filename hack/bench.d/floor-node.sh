#!/usr/bin/env bash
# The floor of `hack/bench startup` and `join`, inside: mounts, then the components by their recorded command lines.
set -euo pipefail
directory=$1 host_ip=$2 run=$1/run
read -r pid _ < /proc/self/stat # as the outside knows us: /proc is still theirs
echo "$pid" > "$run/pid"
mount --make-rshared /
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup || true
mount -t tmpfs tmpfs /run
for place in etc opt var/lib var/log; do
  mkdir -p "$run/upper/$place" "$run/work/$place"
  mount -t overlay -o "lowerdir=/$place,upperdir=$run/upper/$place,workdir=$run/work/$place,userxattr" overlay "/$place"
done
for place in etc/kubernetes etc/cni/net.d opt/cni/bin var/lib/{etcd,kubelet,containerd,cni} var/log/{pods,containers}; do
  mkdir -p "$run/node/$place" "/$place"
  mount --bind "$run/node/$place" "/$place"
done
ip link set lo up
ip addr add "$host_ip/32" dev lo

start() { # NAME
  mapfile -d '' -t argv < "$directory/argv/$1"
  mapfile -d '' -t env < "$directory/env/$1"
  env -i "${env[@]}" "${argv[@]}" > "$run/$1.log" 2>&1 &
}
worker=
[ -e "$directory/argv/etcd" ] || worker=1
if [ -z "$worker" ]; then
  start etcd
  start kube-apiserver
fi
start containerd
until [ -S /run/containerd/containerd.sock ]; do sleep 0.01; done
# The API server of a worker is behind the tap.
[ -z "$worker" ] || until [ -n "$(ip route show default)" ]; do sleep 0.01; done
start kubelet
[ -z "$worker" ] || { wait; exit; }
pki=/etc/kubernetes/pki
until curl -sf -o /dev/null --cacert $pki/ca.crt --cert $pki/apiserver-kubelet-client.crt \
  --key $pki/apiserver-kubelet-client.key "https://$host_ip:6443/readyz"; do sleep 0.05; done
start kube-controller-manager
start kube-scheduler
wait

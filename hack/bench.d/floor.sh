#!/usr/bin/env bash
# The floor of `hack/bench startup` and `join`, outside: namespaces by unshare, a tap by slirp4netns. Whoever starts it ends it.
# usage: floor.sh FOLDER HOST_IP   (FOLDER: argv/ and env/ of the components, run/node with their files)
set -euo pipefail
directory=$1
# A session of its own, as the product has: the scheduler shares time out between sessions.
setsid unshare --user --map-root-user --map-auto --mount --net --pid --fork --uts --ipc --cgroup \
  bash "$directory/floor-node.sh" "$directory" "$2" &
read -r pid < "$directory/run/pid"
exec slirp4netns --configure --mtu=65520 --cidr=10.0.2.0/24 --disable-host-loopback "$pid" tap0 >"$directory/run/slirp.log" 2>&1

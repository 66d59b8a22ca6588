#!/usr/bin/env bash
# usage: check-busybox.sh ROOT: do httpd, wget and nslookup of the image run? (they have crashed before)
set -euo pipefail
. "$(dirname "$0")/../lib/usage.sh"
accept '[!-]*' "$@"
[ $# = 1 ] || refuse "one folder, please"
root=$1 port=18473
mkdir -p "$root/www" "$root/dev"
echo hello >"$root/www/index.html"
[[ -e $root/dev/null ]] || mknod -m 666 "$root/dev/null" c 1 3
chroot "$root" httpd -f -p 127.0.0.1:$port -h /www &
server=$!
trap 'kill $server' EXIT
sleep 0.3
echo 'nameserver 127.0.0.1' >"$root/etc/resolv.conf"
echo '127.0.0.1 self.example' >"$root/etc/hosts"
[[ $(chroot "$root" wget -T 2 -qO- http://127.0.0.1:$port/) == hello ]] || { echo "FAILED  busybox wget by address" && exit 1; }
[[ $(chroot "$root" wget -T 2 -qO- http://self.example:$port/) == hello ]] || { echo "FAILED  busybox wget by name" && exit 1; }
if chroot "$root" wget -qT1 -O- http://192.0.2.1/ 2>/dev/null; then echo "FAILED  busybox wget time limit" && exit 1; fi
status=0
chroot "$root" timeout 2 nslookup kubernetes.default 127.0.0.1 >/dev/null 2>&1 || status=$?
# Nobody answers: 1 is its error, 143 the time limit; 139 would be a crash.
[[ $status == 1 || $status == 143 || $status == 124 ]] || { echo "FAILED  busybox nslookup: status $status" && exit 1; }
[[ $(printf 'GET / HTTP/1.0\r\n\r\n' | chroot "$root" nc -w 2 127.0.0.1 $port | tail -n 1) == hello ]] || { echo "FAILED  busybox nc" && exit 1; }
echo "ok      busybox: httpd, wget by address and by name, nslookup, nc"

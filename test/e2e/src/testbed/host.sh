# Furnishes a host, as root inside its namespaces. Nothing here is seen outside of them.
mount --make-rprivate /
mount -t proc proc /proc
hostname "$NAME"
ip link set lo up

# The product, before anything hides the place where it lies.
: > "$DIR/program"
mkdir "$DIR/bundle"
[ -z "$PROGRAM" ] || mount --bind "$PROGRAM" "$DIR/program"
[ -z "$BUNDLE" ] || mount --bind "$BUNDLE" "$DIR/bundle"

# A /sys of the new network; the cgroup tree stays the machine's.
mkdir "$DIR/cgroup"
mount --rbind /sys/fs/cgroup "$DIR/cgroup"
mount -t sysfs sysfs /sys
mount --rbind "$DIR/cgroup" /sys/fs/cgroup
umount -l "$DIR/cgroup"

# One writable copy of /etc, as a single mount: mounts below it would keep a user from making an overlay of it.
cp -a /etc "$DIR/etc"
mount --bind "$DIR/etc" /etc
echo "$USER:x:$ID:$ID:$USER:/home/$USER:/bin/bash" >> /etc/passwd
echo "$USER:x:$ID:" >> /etc/group
echo "$USER:*:20000:0:99999:7:::" >> /etc/shadow
printf "$USER:%s\n" $SUBIDS | tee /etc/subuid > /etc/subgid
echo "$NAME" > /etc/hostname
printf '127.0.0.1 localhost\n%s %s\n' "$ADDRESS" "$NAME" > /etc/hosts
rm -f /etc/resolv.conf
echo "nameserver $SWITCH" > /etc/resolv.conf

# Home on disk; runtime directory and /tmp of its own; no trace of a systemd of the machine.
chown "$ID:$ID" "$DIR/home/$USER"
chmod 700 "$DIR/home/$USER"
mount --bind "$DIR/home" /home
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=1777 tmpfs /tmp
mkdir -m 755 /run/user /run/lock
mkdir -m 700 "/run/user/$ID"
chown "$ID:$ID" "/run/user/$ID"

# What an administrator does with udev: the user may open /dev/net/tun.
mkdir -p /dev/net
mount -t tmpfs -o mode=755 tmpfs /dev/net
mknod -m 666 /dev/net/tun c 10 200
# And /dev/fuse, which lies beside the machine's other devices.
mknod -m 666 /dev/net/fuse c 10 229
mount --bind /dev/net/fuse /dev/fuse

# The product, where an administrator would install it, and the bundle on a share.
mount -t tmpfs -o mode=755 tmpfs /usr/local/bin
: > /usr/local/bin/usernetes-rs
mount --bind "$DIR/program" /usr/local/bin/usernetes-rs
mount -t tmpfs -o mode=755 tmpfs /srv
mkdir /srv/bundle
mount --bind "$DIR/bundle" /srv/bundle
mount -o remount,bind,ro /srv/bundle
[ -z "$PROGRAM" ] || umount "$DIR/program"
[ -z "$BUNDLE" ] || umount "$DIR/bundle"

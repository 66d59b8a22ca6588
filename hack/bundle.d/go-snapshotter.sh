# shellcheck shell=bash
# What containerd calls where the kernel's overlay cannot be mounted; itself it calls the host's fuse-overlayfs.
FUSE_OVERLAYFS_SNAPSHOTTER=github.com/containerd/fuse-overlayfs-snapshotter/v2
inputs_fuse_overlayfs_snapshotter() { go_inputs fuse-overlayfs-snapshotter; }

build_fuse_overlayfs_snapshotter() {
  local program=$FUSE_OVERLAYFS_SNAPSHOTTER/cmd/containerd-fuse-overlayfs-grpc
  CGO_ENABLED=0 go_build fuse-overlayfs-snapshotter "$1/" \
    "-X $program/version.Version=$(go_version fuse-overlayfs-snapshotter $FUSE_OVERLAYFS_SNAPSHOTTER)" $program
}

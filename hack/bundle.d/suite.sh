# shellcheck shell=bash
# Packages of another suite than this machine's own.
debian_mirror() { # the archive that this machine's own apt uses
  # shellcheck disable=SC2016 # apt's own variable
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' | head -1
}

suite_apt() { # DIR PROGRAM ARGUMENT...: apt with the lists that DIR/sources.list names, kept in DIR
  local dir=$1 program=$2
  shift 2
  "$program" -qq -o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=/nonexistent -o Dir::State::Lists="$dir/lists" \
    -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root "$@"
}

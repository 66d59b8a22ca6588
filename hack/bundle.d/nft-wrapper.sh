#!/bin/sh
# Debian's nft with the libraries it was built for, whatever the host's are.
self=$0
[ ! -L "$self" ] || self=$(readlink -f "$self")
case $self in */*) ;; *) self=./$self ;; esac
lib=${self%/*}/../lib/nft
exec "$lib/ld.so" --inhibit-cache --library-path "$lib" --argv0 nft "$lib/nft" "$@"

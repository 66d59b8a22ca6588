#!/bin/sh
# Debian's busybox has no wget time limit and crashes on -T, which upstream's image knows.
limit='' left=$#
while [ "$left" -gt 0 ]; do
  argument=$1
  shift && left=$((left - 1))
  case $argument in
    --timeout=*) limit=${argument#*=} ;;
    --timeout | -T* | -[cqS]T* | -[cqS][cqS]T*)
      case $argument in
        --*) flags=- limit='' ;;
        *) flags=${argument%%T*} limit=${argument#*T} ;;
      esac
      if [ -z "$limit" ] && [ "$left" -gt 0 ]; then
        limit=$1
        shift && left=$((left - 1))
      fi
      [ "$flags" = - ] || set -- "$@" "$flags"
      ;;
    *) set -- "$@" "$argument" ;;
  esac
done
[ -n "$limit" ] || exec /bin/busybox wget "$@"
/bin/busybox timeout "$limit" /bin/busybox wget "$@"
status=$?
[ "$status" -ne 143 ] || { echo 'wget: download timed out' >&2 && exit 1; }
exit "$status"

# shellcheck shell=bash
# What scripts that people start say about themselves: the comment at their head is the text of --help. Sourced before
# anything else, since $0 may be relative to the directory that the script was started in.

usage() { sed -n '2,${/^#/!q; /^# shellcheck /d; s/^# \{0,1\}//p}' "$0"; }
refuse() { printf 'error: %s\n' "$*" >&2; usage >&2; exit 64; }

# Told before anything is built or installed: a mistyped option must not cost a quarter of an hour.
accept() { # 'PATTERN|PATTERN…' ARGUMENT…
  local pattern=$1 word
  shift
  for word in "$@"; do
    case $word in -h | --help) usage; exit ;; esac
    # shellcheck disable=SC2053 # a pattern it is
    [[ $word == @($pattern) ]] || refuse "unknown argument '$word'"
  done
}

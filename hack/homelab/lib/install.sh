# shellcheck shell=bash disable=SC2154
# The program and the bundle on their way to a host. Sourced.

# A running node goes on with the copy in its state, and no host ever has half a program.
install_program() { # HOST
  if [ "$(fact "$1" installed)" = "$program_sum" ]; then echo "program: is there"; return; fi
  bring_program "$1" && change "$1" "mv $NEW $PROGRAM" < /dev/null || return
  [ -n "$dry" ] || echo "program: installed"
}

has_bundle() { fact "$1" bundle | grep -q "$bundle_sum"; } # HOST

# Workers fetch it from the control plane when the program can do that.
from_peer() { # HOST
  [ "$1" != "$FIRST" ] && "$program" join --help 2> /dev/null | grep -q -- --bundle-from-peer
}

install_bundle() { # HOST
  if has_bundle "$1"; then echo "bundle: is there"; return; fi
  if from_peer "$1"; then echo "bundle: comes from $FIRST with the join"; return; fi
  change "$1" "$PROGRAM bundle import - > /dev/null" < <([ -n "$dry" ] || tar -C "$bundle" -chf - .) || return
  [ -n "$dry" ] || echo "bundle: imported"
}

install_all() { # HOST
  install_program "$1" && install_bundle "$1"
}

# shellcheck shell=bash
# What startup and join share: everything is there, and the measuring program runs. Sourced, with its arguments.
set -euo pipefail
. "$(dirname "$0")/../lib/usage.sh"
accept '--runs|--json|[!-]*' "$@"
cd "$(dirname "$0")/../.."
. hack/lib/common.sh
[ "$(id -u)" = 0 ] || die "hosts are made by root: run it as root"
# shellcheck disable=SC2086
install_packages $RUN_PACKAGES $BUILD_PACKAGES $TEST_PACKAGES
need_toolchains
U7S_BIN=${U7S_BIN:-$(release_binary)}
U7S_BUNDLE=${U7S_BUNDLE:-$(hack/bundle --print-dir)}
export U7S_BIN U7S_BUNDLE
cargo build --quiet --locked -p usernetes-e2e --bin bench >&2
exec "${CARGO_TARGET_DIR:-$PWD/target}/$(rustc -vV | sed -n 's/^host: //p')/debug/bench" "$(basename "$0")" "$@"

# shellcheck shell=bash
# Sourced by the scripts and by the Makefile's recipes: where things are kept.
#
#   ESKER_CACHE       tools and build results, shared by every clone of this user:
#                     $XDG_CACHE_HOME/esker or ~/.cache/esker, else target/tools in the clone
#   CARGO_TARGET_DIR  $ESKER_CACHE/target, unless it is set already

ESKER_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

if [ -z "${ESKER_CACHE:-}" ]; then
    ESKER_CACHE=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/esker
    if ! mkdir -p "$ESKER_CACHE" 2>/dev/null || ! [ -w "$ESKER_CACHE" ]; then
        ESKER_CACHE=$ESKER_ROOT/target/tools
    fi
fi
mkdir -p "$ESKER_CACHE" || { echo "esker: cannot create the cache directory $ESKER_CACHE" >&2; exit 1; }
export ESKER_CACHE
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$ESKER_CACHE/target}"
# Nothing here talks to a terminal: no prompt may ever wait for one.
export GIT_TERMINAL_PROMPT=0 DEBIAN_FRONTEND=noninteractive

# True on a CI machine, where a skip is a failure unless ESKER_ALLOW_SKIPS=1.
skips_fail() {
    [ "${CI:-}" = true ] && [ "${ESKER_ALLOW_SKIPS:-}" != 1 ]
}

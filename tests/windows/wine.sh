#!/bin/sh
# Runs a Windows program: wine.sh PROGRAM ARGUMENT... In a fresh prefix a call can hang: then all is ended, and tried once more.
WINEPREFIX=${WINEPREFIX:-$(cd "$(dirname "$0")/../.." && pwd)/build/wine}
mkdir -p "$WINEPREFIX"
WINEDEBUG=-all
export WINEPREFIX WINEDEBUG
timeout --kill-after=5 100 wine "$@"
status=$?
[ "$status" = 124 ] || [ "$status" = 137 ] || exit "$status"
wineserver --kill
exec timeout --kill-after=5 100 wine "$@"

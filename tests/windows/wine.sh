#!/bin/sh
# Runs a Windows program under Wine 10: wine.sh PROGRAM ARGUMENT... Each run has its own namespaces: no process and no
# Wine server outlives it. A call in a fresh prefix can hang: then the program is run once more.
set -eu
repository=$(cd "$(dirname "$0")/../.." && pwd)
root=$repository/build/wine10
[ -e "$root/ready" ] || [ "$1" = --in-root ] || sh "$repository/tests/windows/root.sh"
folder=$repository
if [ "$1" = --in-root ]; then
    shift
else
    folder=$(cd "$(dirname "$1")" && pwd)
    program=$folder/$(basename "$1")
    shift
    set -- wine-stable "$program" "$@"
fi

run() {
    timeout --foreground --kill-after=5 100 unshare --mount --pid --fork --kill-child sh -ec '
        root=$1 repository=$2 folder=$3
        shift 3
        mount -t proc proc "$root/proc"
        mount -t tmpfs tmp "$root/tmp" # with the sockets of the Wine server
        mount --rbind /dev "$root/dev"
        mount --rbind /sys "$root/sys"
        for path in "$repository" "$folder"; do
            mkdir -p "$root$path"
            mount --bind "$path" "$root$path"
        done
        exec chroot "$root" env PATH=/usr/bin:/bin WINEPREFIX=/wine WINEDEBUG=-all XDG_RUNTIME_DIR=/tmp sh -ec '\''
            cd "$0"
            exec "$@"
        '\'' "$folder" "$@"
    ' - "$root" "$repository" "$folder" "$@"
}

status=0
run "$@" || status=$?
[ "$status" = 124 ] || [ "$status" = 137 ] || exit "$status"
run "$@"

# Sourced by the commands of this directory: installs what is missing, or says what it is.
# need PROGRAM-OR-FILE=PACKAGE..., as in packages.sh
. tests/packages.sh

need() {
    missing=
    for pair in "$@"; do
        thing=${pair%%=*}
        case $thing in
        /*) [ -e "$thing" ] ;;
        *) command -v "$thing" >/dev/null 2>&1 ;;
        esac || missing="$missing ${pair#*=}"
    done
    [ -z "$missing" ] && return 0
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "Please install first:$missing (Debian's names of the packages)." >&2
        exit 1
    fi
    sudo=
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null 2>&1; then
            echo "Please install first, as root: apt-get install$missing" >&2
            exit 1
        fi
        sudo=sudo
    fi
    echo "Installing:$missing"
    $sudo apt-get update -qq
    # shellcheck disable=SC2086 # a list of words
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

# need_cmake VERSION: what the tests need of it are the presets, and names with spaces.
need_cmake() {
    found=$(cmake --version | sed -n 's/^cmake version //p')
    [ "$(printf '%s\n' "$1" "$found" | sort -V | head -n 1)" = "$1" ] && return 0
    echo "The tests need CMake $1 or newer; this one is $found." >&2
    exit 1
}

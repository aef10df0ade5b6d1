#!/bin/sh
# Makes the root that wine.sh uses: Debian 13 with Wine 10, below build/. Needs root and debootstrap.
set -eu
cd "$(dirname "$0")/../.."
. tests/packages.sh
root=$PWD/build/wine10
[ -e "$root/ready" ] && exit 0
rm -rf --one-file-system "$root"
mkdir -p "$root/packages" "$root/control"
debootstrap --download-only --variant=minbase --include="$packages_wine" trixie "$root/packages" >"$root/log" 2>&1 ||
    { tail "$root/log"; exit 1; }
for package in "$root"/packages/var/cache/apt/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$package" | tar -x -C "$root" --keep-directory-symlink
    # Of the scripts of the packages Wine needs this one: it copies zlib to Wine's own libraries.
    case $package in */libwine_*) dpkg-deb --control "$package" "$root/control" ;; esac
done
rm -rf "$root/packages"
chroot "$root" /sbin/ldconfig
chroot "$root" sh /control/postinst configure
mkdir -p "$root/wine"
sh tests/windows/wine.sh --in-root sh -c 'wineboot-stable --init && wineserver-stable --wait' >>"$root/log" 2>&1 ||
    { tail "$root/log"; exit 1; }
touch "$root/ready"

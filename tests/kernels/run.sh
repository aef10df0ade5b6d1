#!/usr/bin/env bash
# Builds the tests for a Debian and runs them there under its own kernel, in a virtual machine:
#
#   tests/kernels/run.sh SUITE ARCH [VARIANT...]
#
#   SUITE    bullseye (Linux 5.10), bookworm (6.1), trixie (6.12)
#   ARCH     amd64 i386 arm64 armhf s390x ppc64el riscv64; or musl: static programs on an amd64 that has busybox alone
#   VARIANT  one machine each:
#              plain     as it is (the default)
#              nodiag    without *_diag.ko: the kernel does not answer NETLINK_SOCK_DIAG
#              cgroup1   with control groups of version 1
#              hidepid   with /proc mounted with hidepid=2
#              user      the tests as user 1000
#              X=Y       that parameter for the kernel, such as ipv6.disable=1
#
# Needs root; installs what is missing, or says what it is. For amd64 the suite's own compiler and CMake make the tests
# in its root; for another processor this machine's clang links them statically.
# FILTER is the part of a name: only those tests run. LIMIT is the time for a machine in seconds (1800).
# Everything is below build/kernels. The root and the objects stay there for the next run, and for each variant the
# console (.log) and a line for each test (.txt). The image goes when the run ends.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ $# -ge 2 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
suite=$1 arch=$2
shift 2
[ $# -gt 0 ] || set -- plain
[ "$(id -u)" = 0 ] || { echo "This needs root." >&2; exit 2; }
. tests/setup.sh

repository=$PWD
programs="unit real other_posix no_exceptions"
debian=$arch gnu=''
case $arch in
amd64) kernel=amd64 machine="qemu-system-x86_64 -cpu max" console=ttyS0 package=qemu-system-x86 ;;
musl) debian=amd64 kernel=amd64 machine="qemu-system-x86_64 -cpu max" console=ttyS0 package=qemu-system-x86 ;;
i386) kernel=686-pae gnu=i686-linux-gnu machine="qemu-system-i386 -cpu max" console=ttyS0 package=qemu-system-x86 ;;
arm64) kernel=arm64 gnu=aarch64-linux-gnu machine="qemu-system-aarch64 -machine virt -cpu cortex-a72" console=ttyAMA0 package=qemu-system-arm ;;
armhf) kernel=armmp gnu=arm-linux-gnueabihf machine="qemu-system-arm -machine virt -cpu cortex-a15" console=ttyAMA0 package=qemu-system-arm ;;
s390x) kernel=s390x gnu=s390x-linux-gnu machine="qemu-system-s390x -cpu max" console=ttysclp0 package=qemu-system-misc ;;
ppc64el) kernel=powerpc64le gnu=powerpc64le-linux-gnu machine="qemu-system-ppc64 -machine pseries" console=hvc0 package=qemu-system-ppc ;;
riscv64) kernel=riscv64 gnu=riscv64-linux-gnu machine="qemu-system-riscv64 -machine virt" console=ttyS0 package=qemu-system-misc ;;
*) echo "no such processor: $arch" >&2; exit 2 ;;
esac

if [ "$arch" = musl ] && [ ! -x build/zig/package/zig ]; then
    echo "Please run first: .ci/run fetch_zig" >&2
    exit 2
fi
# shellcheck disable=SC2046,SC2086 # lists of words
need $packages_kernels $(packages_kernel_of "${machine%% *}" "$package" "$gnu" "$debian")

say() { echo "[$SECONDS s] $*"; }
place=$repository/build/kernels/$suite-$arch root=$repository/build/kernels/$suite-$debian/root
image=$place/image initrd=$place/initrd lean=$place/lean stage=$place/stage
mkdir -p "$place" "${root%/*}"
qemu=
clean() {
    [ -z "$qemu" ] || kill "$qemu" 2>/dev/null || true
    rm -rf --one-file-system "$image" "$initrd" "$lean" "$stage"
}
trap clean EXIT
trap 'exit 1' INT TERM HUP

# The packages are unpacked and not configured: nothing of a foreign processor has to run here.
make_root() {
    say "root of $suite for $debian"
    rm -rf --one-file-system "$root"
    local packages=$packages_machine,linux-image-$kernel
    [ "$debian" != amd64 ] || packages+=,$packages_machine_builder
    mmdebstrap --quiet --variant=extract --architectures="$debian" --include="$packages" \
        --aptopt='Acquire::Check-Valid-Until "false"' --aptopt='APT::Install-Recommends "false"' \
        --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
        --setup-hook='sed -i /security/d "$1/etc/apt/sources.list"' \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' "$suite" "$root"
    printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
    [ -e "$root/bin/sh" ] || ln -s dash "$root/bin/sh"
    mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run" "$root/tmp" "$root/source" "$root/build"
    depmod -b "$root" "$(ls "$root/lib/modules")"
    touch "$root/../ready"
}

# The programs are in $build/tests, and are looked for at the same place on the machine.
build_tests() {
    say "tests for $suite, $arch"
    local targets="$programs holder starter posix_holder"
    local options="-DCMAKE_BUILD_TYPE=Debug"
    if [ "$arch" = amd64 ]; then
        build=/build
        # shellcheck disable=SC2016,SC2086 # the inner shell expands them; lists of words
        unshare --mount sh -ec '
            root=$1 repository=$2 targets=$3
            shift 3
            mount --bind "$repository" "$root/source"
            mount -t proc proc "$root/proc"
            export PATH=/usr/sbin:/usr/bin:/sbin:/bin CXX=g++
            chroot "$root" cmake -S /source -B /build "$@" >/dev/null
            chroot "$root" make -C /build --no-print-directory -j 2 $targets
        ' - "$root" "$repository" "$targets" $options >"$place/build.log" 2>&1 || { tail -n 40 "$place/build.log"; exit 1; }
        built=$root/build
        return
    fi
    build=$place/build built=$place/build
    mkdir -p "$place/headers"
    ln -sfn /usr/include/catch2 "$place/headers/catch2"
    options+=" -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=$debian -DADDR_IN_USE_CATCH2=$place/headers"
    options+=" -DCMAKE_EXE_LINKER_FLAGS=-static"
    if [ "$arch" = musl ]; then
        export ZIG_GLOBAL_CACHE_DIR=$repository/build/zig/cache
        export CXX="$repository/build/zig/package/zig c++ -target x86_64-linux-musl"
    else
        export CXX="clang++ --target=$gnu"
        options+=" -DCMAKE_CXX_FLAGS=-Wno-psabi"
    fi
    {
        # shellcheck disable=SC2086 # lists of words
        cmake -S . -B "$build" $options && make -C "$build" --no-print-directory -j 2 $targets
    } >"$place/build.log" 2>&1 || { tail -n 40 "$place/build.log"; exit 1; }
}

# The first process of the machine: makes the variant, then runs each test in a process of its own.
first_process() {
    cat <<'INIT'
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts -o mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
[ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
chmod 1777 /tmp
busybox ip link set lo up
value() { for word in $(cat /proc/cmdline); do case $word in "$1="*) echo "${word#*=}" ;; esac; done; }
variant=$(value kernels.variant)
as=
case $variant in
nodiag) find /lib/modules -name '*_diag.ko*' -exec rm {} + ;;
hidepid) mount -o remount,hidepid=2 /proc ;;
user) as="setpriv --reuid 1000 --regid 1000 --clear-groups" ;;
esac
if [ "$variant" = cgroup1 ]; then
    mount -t tmpfs tmpfs /sys/fs/cgroup
    mkdir /sys/fs/cgroup/systemd /sys/fs/cgroup/freezer
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
    mount -t cgroup -o freezer cgroup /sys/fs/cgroup/freezer
else
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
fi
echo
echo "=K= $(uname -r) $(uname -m) $variant"
cd /tmp
names() { # version 3 of Catch2 asks for them in another way
    if "$folder/$1" --help 2>&1 | grep -q list-test-names-only; then
        "$folder/$1" --list-test-names-only
    else
        "$folder/$1" --list-tests --verbosity quiet
    fi 2>/dev/null | sed 's/^ *//; /^$/d'
}
now() { cut -d' ' -f1 /proc/uptime; }
one() { # NAME PROGRAM WORD...
    name=$1
    shift
    begin=$(now)
    setsid $as busybox timeout -s KILL 120 "$@" >/run/output 2>&1 </dev/null
    status=$?
    result=passed
    if [ $status != 0 ]; then result=failed
    elif grep -q 'skipped here: ' /run/output; then result=skipped; fi
    took=$(echo "$begin $(now)" | busybox awk '{ printf "%.1f", $2 - $1 }')
    echo "=R= $result $took ${1##*/}: $name"
    case $result in
    failed) echo "=O= status $status"; head -n 60 /run/output | sed 's/^/=O= /' ;;
    skipped) sed -n 's/^skipped here: /=S= /p' /run/output | head -n 1 ;;
    esac
}
folder=$(cat /tests/folder)
filter=$(cat /tests/filter)
for program in $(cat /tests/programs); do
    if [ "$program" = no_exceptions ]; then
        echo "a start that returns false is recovered"
    else
        names "$program"
    fi >/run/names
    while read -r name <&3; do
        case $name in *"$filter"*) ;; *) continue ;; esac
        if [ "$program" = no_exceptions ]; then
            one "$name" "$folder/$program"
        else
            one "$name" "$folder/$program" "$(printf %s "$name" | sed 's/[],[\\]/\\&/g')"
        fi
    done 3</run/names
done
dmesg 2>/dev/null | grep -E 'BUG|Oops|general protection|segfault|User process fault|User PSW|User Code' | sed 's/^/=K= /'
echo "=E="
sync
busybox poweroff -f
INIT
}

# What the machine has: the root without its compiler, or busybox alone.
make_lean() {
    local name
    mkdir -p "$lean"
    if [ "$arch" = musl ]; then
        mkdir -p "$lean/bin" "$lean/lib" "$lean/etc" "$lean/proc" "$lean/sys" "$lean/dev" "$lean/run" "$lean/tmp" "$lean/root"
        cp "$root/bin/busybox" "$lean/bin"
        for name in $("$root/bin/busybox" --list); do [ -e "$lean/bin/$name" ] || ln -s busybox "$lean/bin/$name"; done
        cp "$root/etc/passwd" "$root/etc/group" "$lean/etc"
        cp -al "$root/lib/modules" "$lean/lib"
    else
        (cd "$root" && find . -xdev \( -path ./boot -o -path ./build -o -path ./source -o -path ./usr/share \
            -o -path ./usr/include -o -path ./usr/lib/gcc -o -path ./var -o -name '*.a' -o -path './usr/bin/*-linux-gnu*' \
            -o -path './usr/lib/modules/*/kernel/drivers/gpu' -o -path './lib/modules/*/kernel/drivers/gpu' \
            -o -path './usr/lib/modules/*/kernel/sound' -o -path './lib/modules/*/kernel/sound' \
            -o -path './usr/bin/cmake' -o -path './usr/bin/ctest' -o -path './usr/bin/cpack' \) -prune -o -print0 |
            cpio --null --pass-through --link --make-directories --quiet "$lean")
    fi
    mkdir -p "$lean/tests" "$lean$build/tests"
    for name in $programs holder starter posix_holder; do cp "$built/tests/$name" "$lean$build/tests"; done
    first_process >"$lean/tests/init"
    chmod 755 "$lean/tests/init"
    echo "$build/tests" >"$lean/tests/folder"
    echo "$programs" >"$lean/tests/programs"
    printf %s "${FILTER:-}" >"$lean/tests/filter"
}

# The few modules that reach the image, and what loads them.
make_initrd() {
    local version=$1
    local wanted='virtio|virtio_ring|virtio_pci|virtio_pci_modern_dev|virtio_pci_legacy_dev|virtio_mmio|virtio_blk'
    wanted+='|virtio_ccw|ext4|crc32c_generic|crc32c-vx_s390|libcrc32c|crc32c-cryptoapi'
    mkdir -p "$stage/bin" "$stage/proc" "$stage/sys" "$stage/dev" "$stage/new" "$stage/lib/modules/$version"
    cp "$root/bin/busybox" "$stage/bin"
    cp "$root/lib/modules/$version"/modules.{order,builtin,builtin.modinfo} "$stage/lib/modules/$version"
    awk -F: -v wanted="^($wanted)[.]ko" '{
        name = $1
        sub(/.*\//, "", name)
        if (name ~ wanted) { print $1; n = split($2, others, " "); for (i = 1; i <= n; ++i) print others[i] }
    }' "$root/lib/modules/$version/modules.dep" | sort -u | (cd "$root/lib/modules/$version" &&
        cpio --pass-through --make-directories --quiet "$stage/lib/modules/$version")
    find "$stage" -name '*.ko.xz' -exec xz -d {} +
    depmod -b "$stage" "$version"
    cat >"$stage/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for module in virtio_pci virtio_mmio virtio_ccw virtio_blk crc32c_generic crc32c ext4; do modprobe $module 2>/dev/null; done
for i in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/vda ] && break; sleep 1; done
mount -t ext4 /dev/vda /new || poweroff -f
umount /proc /sys
mount --move /dev /new/dev
exec switch_root /new /tests/init
INIT
    chmod 755 "$stage/init"
    (cd "$stage" && find . | cpio -o -H newc --quiet | gzip -1) >"$initrd"
}

[ -e "$root/../ready" ] || make_root
build_tests
say "image"
version=$(ls "$root/lib/modules")
make_lean
mke2fs -q -t ext4 -O ^metadata_csum -d "$lean" "$image" 3G >/dev/null
make_initrd "$version"

passed=0 failed=0 skipped=0
for variant; do
    log=$place/$variant.log results=$place/$variant.txt
    words="console=$console quiet panic=-1 kernels.variant=$variant"
    case $variant in
    plain | nodiag | cgroup1 | hidepid | user) ;;
    *=*) words="$words $variant" ;;
    *) echo "no such variant: $variant" >&2; exit 2 ;;
    esac
    device=virtio-blk-pci
    case $arch in
    s390x) device=virtio-blk-ccw ;;
    armhf) device=virtio-blk-device ;; # its 32 bits do not reach the PCI window
    esac
    say "run of $suite, $arch, $variant"
    # shellcheck disable=SC2086 # a list of words
    timeout --kill-after=10 "${LIMIT:-1800}" $machine -accel tcg,thread=multi -smp 2 -m 2048 -nic none -nographic -no-reboot \
        -kernel "$(ls "$root"/boot/vmlinu[xz]-"$version")" -initrd "$initrd" -append "$words" \
        -drive "file=$image,if=none,id=disk,format=raw,snapshot=on" -device "$device,drive=disk" \
        </dev/null >"$log" 2>&1 &
    qemu=$!
    wait "$qemu" || say "qemu ended with status $?"
    qemu=
    tr -d '\r' <"$log" | grep -a '^=[KROSE]=' >"$results" || true
    count() { grep -ac "^=R= $1 " "$results" || true; }
    grep -a '^=K=' "$results" || tail -n 5 "$log"
    awk '/^=R= skipped/ { name = $0 } /^=S=/ { sub(/^=S= /, ""); print "    skipped here: " $0 }' "$results" | sort | uniq -c | sort -rn
    grep -a '^=R= failed\|^=O=' "$results" || true
    ours="$(count passed) passed, $(count failed) failed, $(count skipped) skipped"
    if ! grep -qa '^=E=' "$results"; then
        say "the machine did not come to the end of the tests"
        failed=$((failed + 1))
    elif [ "$(count passed)" = 0 ]; then
        say "no test passed"
        failed=$((failed + 1))
    fi
    say "$suite $arch $variant: $ours"
    passed=$((passed + $(count passed))) failed=$((failed + $(count failed))) skipped=$((skipped + $(count skipped)))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]

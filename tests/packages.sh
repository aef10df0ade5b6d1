# Sourced by setup.sh. What each command needs: a program or a file, and the package of Debian 12 that has it.
# shellcheck disable=SC2034 # used by what sources this

headers=/usr/include
libraries=$headers/$(uname -m)-linux-gnu
python=/usr/lib/python3/dist-packages

packages_demo="c++=g++ cmake=cmake make=make python3=python3"

packages_tests="$packages_demo lsof=lsof ip=iproute2 ps=procps"
if [ -e /usr/local/include/catch2 ]; then
    packages_tests="$packages_tests /usr/local/include/catch2=catch2"
else
    packages_tests="$packages_tests $headers/catch2=catch2"
fi

packages_pull_request="$packages_tests npm=npm black=black clang-format=clang-format clang-tidy=clang-tidy"

# What the rest of the tests needs, nginx and PostgreSQL as holders among it.
packages_ci="$packages_pull_request clang++=clang debootstrap=debootstrap strace=strace valgrind=valgrind file=file
    meson=meson ninja=ninja-build pkg-config=pkg-config systemd-socket-activate=systemd dbus-daemon=dbus-daemon
    /usr/lib/postgresql/15/bin/postgres=postgresql-15 /usr/sbin/nginx=nginx-light node=nodejs
    javac=default-jdk-headless $python/yaml/__init__.py=python3-yaml"

# Compilers and emulators. For clang the libraries of another processor are enough: its g++ excludes g++-multilib.
packages_compilers="clang++-19=clang-19 /usr/lib/llvm-19/include/c++/v1/string=libc++-19-dev
    /usr/lib/llvm-19/lib/libc++abi.so=libc++abi-19-dev $headers/asm/errno.h=g++-multilib
    x86_64-w64-mingw32-g++=g++-mingw-w64-x86-64 i686-w64-mingw32-g++=g++-mingw-w64-i686
    qemu-x86_64=qemu-user aarch64-linux-gnu-ld=binutils-aarch64-linux-gnu
    /usr/aarch64-linux-gnu/include/c++=libstdc++-12-dev-arm64-cross
    qemu-s390x=qemu-user s390x-linux-gnu-ld=binutils-s390x-linux-gnu
    /usr/s390x-linux-gnu/include/c++=libstdc++-12-dev-s390x-cross"

# The libraries of tests/servers.
packages_servers="$headers/httplib.h=libcpp-httplib-dev $headers/boost/beast.hpp=libboost-dev
    $headers/asio.hpp=libasio-dev $headers/restinio/all.hpp=librestinio-dev
    $headers/pistache/endpoint.h=libpistache-dev $headers/Poco/Net/HTTPServer.h=libpoco-dev
    $headers/grpcpp/grpcpp.h=libgrpc++-dev $headers/microhttpd.h=libmicrohttpd-dev
    $headers/CivetServer.h=libcivetweb-dev $headers/event2/event.h=libevent-dev $headers/evhtp.h=libevhtp-dev
    $headers/uv.h=libuv1-dev $headers/libwebsockets.h=libwebsockets-dev $headers/zmq.hpp=cppzmq-dev
    $headers/nng/nng.h=libnng-dev $libraries/qt6=qt6-base-dev $headers/thrift/TProcessor.h=libthrift-dev
    $headers/websocketpp/server.hpp=libwebsocketpp-dev $headers/cpprest/http_listener.h=libcpprest-dev
    $headers/kj/async-io.h=libcapnp-dev $headers/enet/enet.h=libenet-dev $headers/openssl/ssl.h=libssl-dev"

packages_benchmark="c++=g++ python3=python3 lsof=lsof ss=iproute2 fuser=psmisc valgrind=valgrind strace=strace
    size=binutils hyperfine=hyperfine $headers/benchmark/benchmark.h=libbenchmark-dev npm=npm
    $python/matplotlib=python3-matplotlib"

packages_fuzz="clang++=clang"
packages_fuzz_runtime() { # its name has the version of clang
    echo "$(clang++ -print-runtime-dir)/libclang_rt.fuzzer-$(uname -m).a=libclang-rt-$(clang++ -dumpversion |
        cut -d. -f1)-dev"
}

# tests/kernels/run.sh: what makes an image, and of a processor the emulator and the libraries for clang.
packages_kernels="mmdebstrap=mmdebstrap mke2fs=e2fsprogs depmod=kmod cpio=cpio xz=xz-utils cmake=cmake make=make
    $headers/catch2=catch2"
packages_kernel_of() { # EMULATOR PACKAGE [TRIPLET ARCHITECTURE]
    echo "$1=$2"
    [ -z "${3:-}" ] || echo "clang++=clang $3-ld=binutils-$3 /usr/$3/include/c++=libstdc++-12-dev-$4-cross"
}
# What is put into such a machine, and into the one that makes the tests.
packages_machine="base-files,base-passwd,bash,dash,coreutils,util-linux,mount,grep,sed,gawk,findutils,procps,iproute2"
packages_machine="$packages_machine,lsof,kmod,busybox-static,libc-bin"
packages_machine_builder="g++,cmake,make,catch2"

# The root of tests/windows/root.sh, from Debian 13.
packages_wine="wine,wine64"

// The region of another system, on Linux: REGION_MACOS with Apple's own headers for the layouts and a stand-in behind
// its functions, or REGION_OTHER. Everything that is Linux comes first, so that only the library sees the other system.
// On a system of its own the header is simply included.
#ifndef TESTS_POSIX_REGION_HPP
#define TESTS_POSIX_REGION_HPP

#include "../catch.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/param.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <exception>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#if defined(REGION_MACOS) || defined(REGION_OTHER)
#    pragma push_macro("__linux__")
#    undef __linux__
#    if defined(REGION_MACOS)
#        define __APPLE__ 1
#        define st_mtimespec st_mtim
#    endif
#    include <retry_on_addr_in_use.hpp>
#    undef __APPLE__
#    undef st_mtimespec
#    pragma pop_macro("__linux__")
#else
#    include <retry_on_addr_in_use.hpp>
#endif

#endif

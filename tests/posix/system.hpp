// What regions/common.hpp needs, on POSIX.
#ifndef TESTS_POSIX_SYSTEM_HPP
#define TESTS_POSIX_SYSTEM_HPP

#include "region.hpp"

#include "../process.hpp"
#include "../server.hpp"

using namespace addr_in_use;

constexpr Fate terminated = Fate::exited;
#if defined(REGION_OTHER)
constexpr const char* other_hosts[] = {"127.0.0.2"};
#else
constexpr const char* other_hosts[] = {"::1"}; // macOS has no 127.0.0.2
#endif
constexpr std::uint64_t second = 1000000;

inline std::string our_user() { return std::to_string(geteuid()); }

inline bool shows_command_lines() { return true; }

inline bool can_probe() {
#if defined(REGION_OTHER)
    return access("/usr/bin/lsof", X_OK) == 0 || access("/usr/sbin/lsof", X_OK) == 0;
#else
    return true;
#endif
}

#endif

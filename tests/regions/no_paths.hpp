// The scenario of the regions that do not look up paths.
#ifndef TESTS_REGIONS_NO_PATHS_HPP
#define TESTS_REGIONS_NO_PATHS_HPP

#include "common.hpp"

TEST_CASE("a path cannot be looked up here, and that is said") {
    const Recovery recovery = free_it(Endpoint::unix_stream("addr-in-use-none"));
    CHECK(recovery.obstacle == Obstacle::probe_failed);
    CHECK(recovery.evictions.empty());
    CHECK(recovery.error == std::errc::function_not_supported);
}

#endif

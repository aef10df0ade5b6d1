// Who holds 127.0.0.1:PORT, as a command: look PORT
#include <retry_on_addr_in_use.hpp>

#include <cstdio>

int main(int, char** argv) {
    std::error_code error;
    const addr_in_use::Endpoint endpoint("127.0.0.1", std::atoi(argv[1]));
    for (const addr_in_use::Holder& holder : addr_in_use::SystemProbe{}(endpoint, error)) {
        std::printf("%s (pid %u)\n", holder.name.c_str(), holder.pid);
    }
    return error ? 1 : 0;
}

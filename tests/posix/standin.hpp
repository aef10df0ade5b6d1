// What the stand-in can be told to do, as macOS does it at times.
#ifndef TESTS_POSIX_STANDIN_HPP
#define TESTS_POSIX_STANDIN_HPP

#include <string>

struct Standin {
    int vanishes = 0;              // a process that ends between the list of its descriptors and the look at one
    int parks_in_fileports = 0;    // a process whose sockets are Mach ports, and in no list of descriptors
    int denies = 0;                // a process that may not be inspected
    std::string network_directory; // is on a network file system
    int has_no_path = 0;           // a process whose executable was removed
    int lists_of_pids = 0;         // how often a list was asked for
};
extern Standin standin;

#endif

// As far as the library uses it. It takes the place of Linux's own <sys/mount.h>, which has none of this.
#pragma once
#include <stdint.h>
#define MNT_LOCAL 0x00001000
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
struct statfs {
    uint32_t f_flags;
};
int statfs(const char* path, struct statfs* facts);
#pragma GCC diagnostic pop

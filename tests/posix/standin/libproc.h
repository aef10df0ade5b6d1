// The functions of macOS's libproc, as tests/posix/standin.cpp offers them; the layouts are Apple's own.
#pragma once
#include <sys/proc_info.h>
#define PROC_ALL_PIDS 1
extern "C" {
int proc_listpids(uint32_t type, uint32_t type_info, void* buffer, int size);
int proc_pidinfo(int pid, int flavor, uint64_t argument, void* buffer, int size);
int proc_pidfdinfo(int pid, int fd, int flavor, void* buffer, int size);
int proc_pidfileportinfo(int pid, uint32_t port, int flavor, void* buffer, int size);
int proc_pidpath(int pid, void* buffer, uint32_t size);
}

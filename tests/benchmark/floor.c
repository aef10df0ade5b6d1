#define _GNU_SOURCE
#include "floor.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The inode of the listener, 0 without one. */
static unsigned listening(unsigned short port) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } message;
    static char reply[32768] __attribute__((aligned(8)));
    unsigned inode = 0;
    const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    for (int family = 0; family < 2; ++family) {
        memset(&message, 0, sizeof message);
        message.header.nlmsg_len = sizeof message;
        message.header.nlmsg_type = SOCK_DIAG_BY_FAMILY;
        message.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
        message.request.sdiag_family = family == 0 ? AF_INET : AF_INET6;
        message.request.sdiag_protocol = IPPROTO_TCP;
        message.request.idiag_states = 1 << 10;
        message.request.id.idiag_sport = htons(port);
        send(netlink, &message, sizeof message, 0);
        for (int more = 1; more;) {
            const ssize_t size = recv(netlink, reply, sizeof reply, 0);
            unsigned left = (unsigned)size;
            more = size > 0;
            for (struct nlmsghdr* row = (struct nlmsghdr*)reply; NLMSG_OK(row, left); row = NLMSG_NEXT(row, left)) {
                if (row->nlmsg_type == NLMSG_DONE || row->nlmsg_type == NLMSG_ERROR) {
                    more = 0;
                    break;
                }
                const struct inet_diag_msg* socket = (struct inet_diag_msg*)NLMSG_DATA(row);
                if (ntohs(socket->id.idiag_sport) == port) { inode = socket->idiag_inode; }
            }
        }
    }
    close(netlink);
    return inode;
}

int floor_held(unsigned short port) { return listening(port) != 0; }

struct entry {
    unsigned long long inode;
    long long offset;
    unsigned short size;
    unsigned char type;
    char name[];
};

static void read_fact(int directory, const char* name, char* buffer, size_t room) {
    const int file = openat(directory, name, O_RDONLY | O_CLOEXEC);
    while (read(file, buffer, room) > 0) {}
    close(file);
}

/* The facts of a holder: name, start time, users, service, executable, arguments. */
static void identify(int directory) {
    char buffer[4096];
    struct stat file;
    read_fact(directory, "stat", buffer, sizeof buffer);
    read_fact(directory, "status", buffer, sizeof buffer);
    read_fact(directory, "cgroup", buffer, sizeof buffer);
    read_fact(directory, "cmdline", buffer, sizeof buffer);
    if (readlinkat(directory, "exe", buffer, sizeof buffer) < 0 || fstatat(directory, "exe", &file, 0) != 0) { return; }
}

int floor_probe(unsigned short port) {
    const unsigned inode = listening(port);
    char wanted[32];
    const int length = snprintf(wanted, sizeof wanted, "socket:[%u]", inode);
    static char processes[32768] __attribute__((aligned(8)));
    static char files[32768] __attribute__((aligned(8)));
    int found = 0;
    if (inode == 0) { return 0; }
    const int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    long size;
    while ((size = syscall(SYS_getdents64, proc, processes, sizeof processes)) > 0) {
        for (long at = 0; at < size;) {
            const struct entry* process = (struct entry*)(processes + at);
            at += process->size;
            if (process->name[0] < '0' || process->name[0] > '9') { continue; }
            char path[32];
            snprintf(path, sizeof path, "%s/fd", process->name);
            const int directory = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (directory < 0) { continue; }
            long more;
            int is_readable = 1; /* a process that refuses one descriptor refuses all */
            int is_holder = 0;
            while (is_readable && (more = syscall(SYS_getdents64, directory, files, sizeof files)) > 0) {
                for (long next = 0; is_readable && next < more;) {
                    const struct entry* file = (struct entry*)(files + next);
                    char link[64];
                    next += file->size;
                    if (file->name[0] == '.') { continue; }
                    const ssize_t read = readlinkat(directory, file->name, link, sizeof link);
                    is_readable = read >= 0 || (errno != EACCES && errno != EPERM);
                    is_holder = is_holder || (read == length && memcmp(link, wanted, (size_t)length) == 0);
                }
            }
            if (is_holder) {
                found = atoi(process->name);
                const int its = openat(proc, process->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                identify(its);
                close(its);
            }
            close(directory);
        }
    }
    close(proc);
    return found;
}

static int listen_on(unsigned short port) {
    struct sockaddr_in address;
    const int on = 1;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr*)&address, sizeof address) == 0 && listen(fd, 16) == 0) { return fd; }
    close(fd);
    return -1;
}

int floor_recover(unsigned short port) {
    const int first = listen_on(port);
    if (first >= 0) { return first; }
    const int pid = floor_probe(port);
    if (pid <= 1) { return -1; }
    struct pollfd death = {(int)syscall(SYS_pidfd_open, pid, 0), POLLIN, 0};
    syscall(SYS_pidfd_send_signal, death.fd, SIGTERM, NULL, 0);
    poll(&death, 1, 2000);
    close(death.fd);
    return listen_on(port);
}

// What the header declares by itself, compared with the SDK; and its include orders.

#if defined(SDK_FIRST)
#    include <winsock2.h>
#    include <ws2tcpip.h>
#    include <iphlpapi.h>
#    include <tlhelp32.h>
#endif

#include <retry_on_addr_in_use.hpp>

#if defined(SDK_LAST)
#    include <winsock2.h>
#    include <ws2tcpip.h>
#    include <iphlpapi.h>
#    include <tlhelp32.h>
#endif

#if defined(SDK_FIRST) || defined(SDK_LAST)
#    include <cstddef>
using addr_in_use::detail::ConsoleEvent;
using addr_in_use::detail::ProcessEntry;
using addr_in_use::detail::SocketAddress;
#    define SAME(ours, our_member, theirs, their_member)                                                               \
        static_assert(offsetof(ours, our_member) == offsetof(theirs, their_member))
static_assert(sizeof(ProcessEntry) == sizeof(PROCESSENTRY32W));
SAME(ProcessEntry, pid, PROCESSENTRY32W, th32ProcessID);
SAME(ProcessEntry, parent, PROCESSENTRY32W, th32ParentProcessID);
SAME(ProcessEntry, name, PROCESSENTRY32W, szExeFile);
static_assert(sizeof(SocketAddress) == sizeof(sockaddr_in6) && sizeof(sockaddr_in) == 16);
SAME(SocketAddress, family, sockaddr_in6, sin6_family);
SAME(SocketAddress, port, sockaddr_in6, sin6_port);
SAME(SocketAddress, v6, sockaddr_in6, sin6_addr);
SAME(SocketAddress, scope, sockaddr_in6, sin6_scope_id);
SAME(SocketAddress, family, sockaddr_in, sin_family);
SAME(SocketAddress, port, sockaddr_in, sin_port);
SAME(SocketAddress, v4_or_flow, sockaddr_in, sin_addr);
static_assert(sizeof(WSADATA) <= 512);
static_assert(SO_EXCLUSIVEADDRUSE == -5 && SOL_SOCKET == 0xffff && IPPROTO_IPV6 == 41 && IPV6_V6ONLY == 27);
static_assert(SOCK_STREAM == 1 && SOCK_DGRAM == 2 && INVALID_SOCKET == ~std::uintptr_t{0});
static_assert(sizeof(ConsoleEvent) == sizeof(INPUT_RECORD));
static_assert(offsetof(ConsoleEvent, pressed) == offsetof(INPUT_RECORD, Event));
static_assert(offsetof(ConsoleEvent, character) == offsetof(INPUT_RECORD, Event) + offsetof(KEY_EVENT_RECORD, uChar));
static_assert(sizeof(FILETIME) == sizeof(std::uint64_t));
// As read_ip_table has them.
static_assert(sizeof(MIB_TCPROW_OWNER_MODULE) == 160 && sizeof(MIB_TCP6ROW_OWNER_MODULE) == 192);
static_assert(sizeof(MIB_UDPROW_OWNER_MODULE) == 160 && sizeof(MIB_UDP6ROW_OWNER_MODULE) == 176);
static_assert(offsetof(MIB_TCPTABLE_OWNER_MODULE, table) == 8 && offsetof(MIB_TCP6TABLE_OWNER_MODULE, table) == 8);
static_assert(offsetof(MIB_UDPTABLE_OWNER_MODULE, table) == 8 && offsetof(MIB_UDP6TABLE_OWNER_MODULE, table) == 8);
#    define AT(row, member, offset) static_assert(offsetof(row, member) == (offset))
AT(MIB_TCPROW_OWNER_MODULE, dwState, 0);
AT(MIB_TCPROW_OWNER_MODULE, dwLocalAddr, 4);
AT(MIB_TCPROW_OWNER_MODULE, dwLocalPort, 8);
AT(MIB_TCPROW_OWNER_MODULE, dwOwningPid, 20);
AT(MIB_TCPROW_OWNER_MODULE, liCreateTimestamp, 24);
AT(MIB_TCP6ROW_OWNER_MODULE, dwLocalScopeId, 16);
AT(MIB_TCP6ROW_OWNER_MODULE, dwLocalPort, 20);
AT(MIB_TCP6ROW_OWNER_MODULE, dwState, 48);
AT(MIB_TCP6ROW_OWNER_MODULE, dwOwningPid, 52);
AT(MIB_TCP6ROW_OWNER_MODULE, liCreateTimestamp, 56);
AT(MIB_UDPROW_OWNER_MODULE, dwLocalPort, 4);
AT(MIB_UDPROW_OWNER_MODULE, dwOwningPid, 8);
AT(MIB_UDPROW_OWNER_MODULE, liCreateTimestamp, 16);
AT(MIB_UDP6ROW_OWNER_MODULE, dwLocalPort, 20);
AT(MIB_UDP6ROW_OWNER_MODULE, dwOwningPid, 24);
AT(MIB_UDP6ROW_OWNER_MODULE, liCreateTimestamp, 32);
static_assert(MIB_TCP_STATE_CLOSED == 1 && MIB_TCP_STATE_LISTEN == 2);
static_assert(TCP_TABLE_OWNER_MODULE_LISTENER == 6 && TCP_TABLE_OWNER_MODULE_ALL == 8);
static_assert(UDP_TABLE_OWNER_MODULE == 2 && AF_INET6 == 23 && ERROR_INSUFFICIENT_BUFFER == 122);
static_assert(WSAEADDRINUSE == 10048 && WSAEACCES == 10013 && WSAEAFNOSUPPORT == 10047 && WSAEADDRNOTAVAIL == 10049);
#else
// Names that the SDK's macros would take away, and that the header leaves alone.
int min = 1;
int max = 2;
int ERROR = min + max;
#endif

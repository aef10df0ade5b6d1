#pragma once
#define MAXCOMLEN 16
#define SOCK_MAXADDRLEN 255
#define __deprecated_enum_msg(text)

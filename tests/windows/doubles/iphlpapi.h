/*
 * What the parts of the double of iphlpapi.dll share.
 *
 * The DLL stands in front of Wine's own, which is called wine_iphlpapi.dll here: a function that begins with `our_`
 * takes the place of Wine's, all others are Wine's (`tests/windows/build-doubles` makes the list of exports). What a
 * function does or tells is what `windows-host` does or sees on Linux.
 *
 *   FAKE_IPHLPAPI_FAIL   which functions fail, by their names (see host.h)
 */
#ifndef IPHLPAPI_DOUBLE_H
#define IPHLPAPI_DOUBLE_H

#include "host.h"

#include <iphlpapi.h>
#include <netioapi.h>

/* Room for an IPv6 address as text. */
#define ADDRESS_TEXT 64

/* Returns at once if a test wants this function to fail. */
#define MAY_FAIL(function)                   \
    do {                                     \
        DWORD injected_error;                \
        if (injected(function, &injected_error)) \
            return injected_error;           \
    } while (0)

/* '4', '6', '0' for any; 0 for what is no family. */
char family_letter(ADDRESS_FAMILY family);

/* Writes an address; `to` has room for ADDRESS_TEXT bytes. */
const char *write_address(const SOCKADDR_INET *address, char *to);

/* Reads an address of the family that its text has; 0 if it is none. */
int read_address(const char *text, SOCKADDR_INET *to);
int same_address(const SOCKADDR_INET *a, const SOCKADDR_INET *b);

/* The index of an interface, by its LUID or else as it is given. */
NET_IFINDEX index_of(const NET_LUID *luid, NET_IFINDEX index);

/*
 * A table as the functions Get…Table return one: a count, then rows of `size` bytes from offset 8 on, one for each
 * line of what the host answers, each filled by `read`. Asks, frees the lines, and is freed by FreeMibTable.
 */
typedef void READ_ROW(const char *line, void *row);
DWORD read_table(const char *request, size_t size, READ_ROW *read, void **table);

/* What is told of an address or a route, by the host's line about it. */
READ_ROW read_unicast_row, read_forward_row;

#endif

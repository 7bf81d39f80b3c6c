/* Addresses as text, interfaces by number, tables of rows: what the other parts of the double stand on. */
#include "iphlpapi.h"

#include <stddef.h>
#include <stdlib.h>

const char *const double_name = "iphlpapi";
const char *const faults_variable = "FAKE_IPHLPAPI_FAIL";

char family_letter(ADDRESS_FAMILY family)
{
    return family == AF_INET ? '4' : family == AF_INET6 ? '6' : family == AF_UNSPEC ? '0' : 0;
}

const char *write_address(const SOCKADDR_INET *address, char *to)
{
    const void *bytes = address->si_family == AF_INET ? (const void *)&address->Ipv4.sin_addr : &address->Ipv6.sin6_addr;
    return inet_ntop(address->si_family, bytes, to, ADDRESS_TEXT) ? to : "?";
}

int read_address(const char *text, SOCKADDR_INET *to)
{
    memset(to, 0, sizeof *to);
    to->si_family = strchr(text, ':') ? AF_INET6 : AF_INET;
    void *bytes = to->si_family == AF_INET ? (void *)&to->Ipv4.sin_addr : &to->Ipv6.sin6_addr;
    return inet_pton(to->si_family, text, bytes) == 1;
}

int same_address(const SOCKADDR_INET *a, const SOCKADDR_INET *b)
{
    if (a->si_family != b->si_family)
        return 0;
    if (a->si_family == AF_INET)
        return a->Ipv4.sin_addr.s_addr == b->Ipv4.sin_addr.s_addr;
    return !memcmp(&a->Ipv6.sin6_addr, &b->Ipv6.sin6_addr, sizeof a->Ipv6.sin6_addr);
}

NET_IFINDEX index_of(const NET_LUID *luid, NET_IFINDEX index)
{
    NET_IFINDEX found = 0;
    if (!luid || !luid->Value)
        return index;
    return ConvertInterfaceLuidToIndex(luid, &found) ? 0 : found;
}

static ULONG count_lines(const char *text)
{
    ULONG count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

DWORD read_table(const char *request, size_t size, READ_ROW *read, void **table)
{
    char *text;
    if (!table)
        return ERROR_INVALID_PARAMETER;
    DWORD error = host_ask(&text, "%s", request);
    if (error)
        return error;
    ULONG count = count_lines(text);
    char *made = HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, 8 + (count ? count : 1) * size);
    if (made) {
        char *next, *row = made + 8;
        for (char *line = strtok_s(text, "\n", &next); line; line = strtok_s(NULL, "\n", &next), row += size)
            read(line, row);
        *(ULONG *)made = count;
        *table = made;
    }
    free(text);
    return made ? ERROR_SUCCESS : ERROR_NOT_ENOUGH_MEMORY;
}

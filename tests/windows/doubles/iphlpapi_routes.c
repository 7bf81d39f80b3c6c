/* Routes. A row's metric is that of the route alone: the interface's is added to it before routes are compared. */
#include "iphlpapi.h"

#include <stdio.h>
#include <stdlib.h>

/* Not a metric: the caller has left it out. */
#define NO_METRIC 0xFFFFFFFF

void WINAPI our_InitializeIpForwardEntry(PMIB_IPFORWARD_ROW2 row)
{
    memset(row, 0, sizeof *row);
    row->ValidLifetime = row->PreferredLifetime = 0xFFFFFFFF;
    row->Loopback = row->AutoconfigureAddress = row->Publish = row->Immortal = TRUE;
    row->Metric = NO_METRIC;
    row->Protocol = MIB_IPPROTO_NETMGMT;
}

/* INDEX DESTINATION LENGTH NEXT-HOP METRIC PROTOCOL */
void read_forward_row(const char *line, void *to)
{
    MIB_IPFORWARD_ROW2 *row = to;
    char destination[ADDRESS_TEXT], next_hop[ADDRESS_TEXT];
    unsigned length, protocol;
    our_InitializeIpForwardEntry(row);
    if (sscanf(line, "%lu %63s %u %63s %lu %u", &row->InterfaceIndex, destination, &length, next_hop, &row->Metric,
               &protocol) != 6)
        return;
    read_address(destination, &row->DestinationPrefix.Prefix);
    read_address(next_hop, &row->NextHop);
    row->DestinationPrefix.PrefixLength = (UINT8)length;
    row->Protocol = protocol;
    ConvertInterfaceIndexToLuid(row->InterfaceIndex, &row->InterfaceLuid);
}

DWORD WINAPI our_GetIpForwardTable2(ADDRESS_FAMILY family, PMIB_IPFORWARD_TABLE2 *table)
{
    MAY_FAIL("GetIpForwardTable2");
    char request[] = "routes ?";
    if (!(request[sizeof request - 2] = family_letter(family)))
        return ERROR_INVALID_PARAMETER;
    return read_table(request, sizeof(MIB_IPFORWARD_ROW2), read_forward_row, (void **)table);
}

/* Windows tells routes apart by destination, interface and next hop. */
static int same_route(const MIB_IPFORWARD_ROW2 *a, const MIB_IPFORWARD_ROW2 *b)
{
    return index_of(&a->InterfaceLuid, a->InterfaceIndex) == index_of(&b->InterfaceLuid, b->InterfaceIndex)
           && a->DestinationPrefix.PrefixLength == b->DestinationPrefix.PrefixLength
           && same_address(&a->DestinationPrefix.Prefix, &b->DestinationPrefix.Prefix)
           && same_address(&a->NextHop, &b->NextHop);
}

DWORD WINAPI our_GetIpForwardEntry2(PMIB_IPFORWARD_ROW2 row)
{
    MAY_FAIL("GetIpForwardEntry2");
    PMIB_IPFORWARD_TABLE2 table;
    DWORD error = our_GetIpForwardTable2(row->DestinationPrefix.Prefix.si_family, &table);
    if (error)
        return error;
    error = ERROR_NOT_FOUND;
    for (ULONG i = 0; i < table->NumEntries && error; i++) {
        if (same_route(&table->Table[i], row)) {
            *row = table->Table[i];
            error = ERROR_SUCCESS;
        }
    }
    FreeMibTable(table);
    return error;
}

static DWORD change(const char *how, const MIB_IPFORWARD_ROW2 *row)
{
    char destination[ADDRESS_TEXT], next_hop[ADDRESS_TEXT];
    ADDRESS_FAMILY family = row->DestinationPrefix.Prefix.si_family;
    NET_IFINDEX index = index_of(&row->InterfaceLuid, row->InterfaceIndex);
    if ((family != AF_INET && family != AF_INET6) || row->NextHop.si_family != family
        || row->DestinationPrefix.PrefixLength > (family == AF_INET ? 32 : 128))
        return ERROR_INVALID_PARAMETER;
    if (!index)
        return ERROR_NOT_FOUND;
    return host_ask(NULL, "route %s %lu %s %u %s %lu", how, index,
                    write_address(&row->DestinationPrefix.Prefix, destination), row->DestinationPrefix.PrefixLength,
                    write_address(&row->NextHop, next_hop), row->Metric == NO_METRIC ? 0 : row->Metric);
}

DWORD WINAPI our_CreateIpForwardEntry2(const MIB_IPFORWARD_ROW2 *row)
{
    MAY_FAIL("CreateIpForwardEntry2");
    return change("add", row);
}

DWORD WINAPI our_SetIpForwardEntry2(const MIB_IPFORWARD_ROW2 *row)
{
    MAY_FAIL("SetIpForwardEntry2");
    return change("set", row);
}

DWORD WINAPI our_DeleteIpForwardEntry2(const MIB_IPFORWARD_ROW2 *row)
{
    MAY_FAIL("DeleteIpForwardEntry2");
    return change("delete", row);
}

/* The host answers with the route's row and then the source address. */
DWORD WINAPI our_GetBestRoute2(NET_LUID *luid, NET_IFINDEX index, const SOCKADDR_INET *source,
                               const SOCKADDR_INET *destination, ULONG options, PMIB_IPFORWARD_ROW2 row,
                               SOCKADDR_INET *best_source)
{
    (void)source, (void)options;
    MAY_FAIL("GetBestRoute2");
    char address[ADDRESS_TEXT], *answer;
    if (!destination || !row || !best_source || (destination->si_family != AF_INET && destination->si_family != AF_INET6))
        return ERROR_INVALID_PARAMETER;
    DWORD error = host_ask(&answer, "best %s %lu", write_address(destination, address), index_of(luid, index));
    if (error)
        return error;
    read_forward_row(answer, row);
    const char *last = strrchr(answer, ' ');
    char found[ADDRESS_TEXT] = "";
    if (!last || sscanf(last, "%63s", found) != 1 || !read_address(found, best_source))
        error = ERROR_NETWORK_UNREACHABLE;
    free(answer);
    return error;
}

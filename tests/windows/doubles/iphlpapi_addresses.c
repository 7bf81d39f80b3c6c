/* The addresses of interfaces. */
#include "iphlpapi.h"

#include <stdio.h>

/* The length that stands for the longest one. */
#define WHOLE_ADDRESS 255

void WINAPI our_InitializeUnicastIpAddressEntry(PMIB_UNICASTIPADDRESS_ROW row)
{
    memset(row, 0, sizeof *row);
    row->PrefixOrigin = IpPrefixOriginUnchanged;
    row->SuffixOrigin = IpSuffixOriginUnchanged;
    row->ValidLifetime = row->PreferredLifetime = 0xFFFFFFFF;
    row->OnLinkPrefixLength = WHOLE_ADDRESS;
    row->DadState = IpDadStateInvalid;
}

/* INDEX ADDRESS LENGTH SKIPPED-AS-SOURCE DAD-STATE VALID PREFERRED */
void read_unicast_row(const char *line, void *to)
{
    MIB_UNICASTIPADDRESS_ROW *row = to;
    char address[ADDRESS_TEXT];
    unsigned length, skipped, dad;
    our_InitializeUnicastIpAddressEntry(row);
    if (sscanf(line, "%lu %63s %u %u %u %lu %lu", &row->InterfaceIndex, address, &length, &skipped, &dad,
               &row->ValidLifetime, &row->PreferredLifetime) != 7)
        return;
    read_address(address, &row->Address);
    if (row->Address.si_family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&row->Address.Ipv6.sin6_addr))
        row->Address.Ipv6.sin6_scope_id = row->ScopeId.Value = row->InterfaceIndex;
    ConvertInterfaceIndexToLuid(row->InterfaceIndex, &row->InterfaceLuid);
    row->PrefixOrigin = IpPrefixOriginManual;
    row->SuffixOrigin = IpSuffixOriginManual;
    row->OnLinkPrefixLength = (UINT8)length;
    row->SkipAsSource = skipped != 0;
    row->DadState = dad;
}

DWORD WINAPI our_GetUnicastIpAddressTable(ADDRESS_FAMILY family, PMIB_UNICASTIPADDRESS_TABLE *table)
{
    MAY_FAIL("GetUnicastIpAddressTable");
    char request[] = "addresses ?";
    if (!(request[sizeof request - 2] = family_letter(family)))
        return ERROR_INVALID_PARAMETER;
    return read_table(request, sizeof(MIB_UNICASTIPADDRESS_ROW), read_unicast_row, (void **)table);
}

DWORD WINAPI our_GetUnicastIpAddressEntry(PMIB_UNICASTIPADDRESS_ROW row)
{
    MAY_FAIL("GetUnicastIpAddressEntry");
    PMIB_UNICASTIPADDRESS_TABLE table;
    DWORD error = our_GetUnicastIpAddressTable(row->Address.si_family, &table);
    if (error)
        return error;
    NET_IFINDEX index = index_of(&row->InterfaceLuid, row->InterfaceIndex);
    error = ERROR_NOT_FOUND;
    for (ULONG i = 0; i < table->NumEntries && error; i++) {
        const MIB_UNICASTIPADDRESS_ROW *found = &table->Table[i];
        if (found->InterfaceIndex == index && same_address(&found->Address, &row->Address)) {
            *row = *found;
            error = ERROR_SUCCESS;
        }
    }
    FreeMibTable(table);
    return error;
}

static DWORD change(const char *how, const MIB_UNICASTIPADDRESS_ROW *row)
{
    char address[ADDRESS_TEXT];
    unsigned most = row->Address.si_family == AF_INET ? 32 : 128, length = row->OnLinkPrefixLength;
    NET_IFINDEX index = index_of(&row->InterfaceLuid, row->InterfaceIndex);
    if (row->Address.si_family != AF_INET && row->Address.si_family != AF_INET6)
        return ERROR_INVALID_PARAMETER;
    if (length == WHOLE_ADDRESS)
        length = most;
    if (length > most)
        return ERROR_INVALID_PARAMETER;
    if (!index)
        return ERROR_NOT_FOUND;
    return host_ask(NULL, "address %s %lu %s %u %u", how, index, write_address(&row->Address, address), length,
                    row->SkipAsSource);
}

DWORD WINAPI our_CreateUnicastIpAddressEntry(const MIB_UNICASTIPADDRESS_ROW *row)
{
    MAY_FAIL("CreateUnicastIpAddressEntry");
    return change("add", row);
}

DWORD WINAPI our_SetUnicastIpAddressEntry(const MIB_UNICASTIPADDRESS_ROW *row)
{
    MAY_FAIL("SetUnicastIpAddressEntry");
    return change("set", row);
}

DWORD WINAPI our_DeleteUnicastIpAddressEntry(const MIB_UNICASTIPADDRESS_ROW *row)
{
    MAY_FAIL("DeleteUnicastIpAddressEntry");
    return change("delete", row);
}

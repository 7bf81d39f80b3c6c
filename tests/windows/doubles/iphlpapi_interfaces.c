/* What interfaces have: MTU and metric for each family, the GUID that their maker gave them, name servers. */
#include "iphlpapi.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

/* Fields that a caller has left as they were initialised are not changed. */
#define UNCHANGED 0xFFFFFFFF

void WINAPI our_InitializeIpInterfaceEntry(PMIB_IPINTERFACE_ROW row)
{
    memset(row, 0, sizeof *row);
    row->NlMtu = row->Metric = UNCHANGED;
}

/* FAMILY INDEX MTU AUTOMATIC METRIC CONNECTED */
static void read_interface_row(const char *line, void *to)
{
    MIB_IPINTERFACE_ROW *row = to;
    char family;
    unsigned automatic, connected;
    memset(row, 0, sizeof *row);
    if (sscanf(line, "%c %lu %lu %u %lu %u", &family, &row->InterfaceIndex, &row->NlMtu, &automatic, &row->Metric,
               &connected) != 6)
        return;
    row->Family = family == '4' ? AF_INET : AF_INET6;
    ConvertInterfaceIndexToLuid(row->InterfaceIndex, &row->InterfaceLuid);
    row->UseAutomaticMetric = automatic != 0;
    row->Connected = connected != 0;
    row->DadTransmits = 1;
    row->SitePrefixLength = 64;
}

DWORD WINAPI our_GetIpInterfaceTable(ADDRESS_FAMILY family, PMIB_IPINTERFACE_TABLE *table)
{
    MAY_FAIL("GetIpInterfaceTable");
    char request[] = "interfaces ?";
    if (!(request[sizeof request - 2] = family_letter(family)))
        return ERROR_INVALID_PARAMETER;
    return read_table(request, sizeof(MIB_IPINTERFACE_ROW), read_interface_row, (void **)table);
}

DWORD WINAPI our_GetIpInterfaceEntry(PMIB_IPINTERFACE_ROW row)
{
    MAY_FAIL("GetIpInterfaceEntry");
    if (row->Family != AF_INET && row->Family != AF_INET6)
        return ERROR_INVALID_PARAMETER;
    char *line;
    DWORD error = host_ask(&line, "interface %c %lu", family_letter(row->Family),
                           index_of(&row->InterfaceLuid, row->InterfaceIndex));
    if (!error)
        read_interface_row(line, row);
    free(line);
    return error;
}

/* The real one takes no site prefix for IPv4, although Get gives one. */
DWORD WINAPI our_SetIpInterfaceEntry(PMIB_IPINTERFACE_ROW row)
{
    MAY_FAIL("SetIpInterfaceEntry");
    if ((row->Family != AF_INET && row->Family != AF_INET6) || (row->Family == AF_INET && row->SitePrefixLength)
        || row->SitePrefixLength > 128)
        return ERROR_INVALID_PARAMETER;
    char mtu[16] = "-", metric[16] = "-";
    if (row->NlMtu != UNCHANGED)
        snprintf(mtu, sizeof mtu, "%lu", row->NlMtu);
    if (row->Metric != UNCHANGED)
        snprintf(metric, sizeof metric, "%lu", row->Metric);
    return host_ask(NULL, "set-interface %c %lu %s %u %s", family_letter(row->Family),
                    index_of(&row->InterfaceLuid, row->InterfaceIndex), mtu, row->UseAutomaticMetric, metric);
}

/* ---- GUIDs: an adapter has the one that it was created with, any other interface the one that Wine makes up ---- */

static const char *write_guid(const GUID *guid, char to[39])
{
    snprintf(to, 39, "{%08lX-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X}", guid->Data1, guid->Data2, guid->Data3,
             guid->Data4[0], guid->Data4[1], guid->Data4[2], guid->Data4[3], guid->Data4[4], guid->Data4[5],
             guid->Data4[6], guid->Data4[7]);
    return to;
}

static int read_guid(const char *text, GUID *to)
{
    unsigned b[8];
    unsigned short d2, d3;
    if (sscanf(text, "{%8lx-%4hx-%4hx-%2x%2x-%2x%2x%2x%2x%2x%2x}", &to->Data1, &d2, &d3, b, b + 1, b + 2, b + 3, b + 4,
               b + 5, b + 6, b + 7) != 11)
        return 0;
    to->Data2 = d2;
    to->Data3 = d3;
    for (int i = 0; i < 8; i++)
        to->Data4[i] = (unsigned char)b[i];
    return 1;
}

DWORD WINAPI our_ConvertInterfaceLuidToGuid(const NET_LUID *luid, GUID *guid)
{
    char *text;
    if (luid && guid && !host_ask(&text, "guid %lu", index_of(luid, 0))) {
        int known = read_guid(text, guid);
        free(text);
        if (known)
            return ERROR_SUCCESS;
    }
    return ConvertInterfaceLuidToGuid(luid, guid);
}

DWORD WINAPI our_ConvertInterfaceGuidToLuid(const GUID *guid, NET_LUID *luid)
{
    char text[39], *index;
    if (guid && luid && !host_ask(&index, "index %s", write_guid(guid, text))) {
        NET_IFINDEX found = strtoul(index, NULL, 10);
        free(index);
        return ConvertInterfaceIndexToLuid(found, luid);
    }
    return ConvertInterfaceGuidToLuid(guid, luid);
}

static DWORD index_of_guid(const GUID *guid, NET_IFINDEX *index)
{
    NET_LUID luid;
    if (our_ConvertInterfaceGuidToLuid(guid, &luid))
        return ERROR_FILE_NOT_FOUND;
    return (*index = index_of(&luid, 0)) ? ERROR_SUCCESS : ERROR_FILE_NOT_FOUND;
}

/* ---- name servers ---- */

#define SETTING_IPV6 0x1
#define SETTING_NAMESERVER 0x2

/* DNS_INTERFACE_SETTINGS, as its versions 1 to 4 begin; Debian's headers have none. */
typedef struct {
    ULONG version;
    ULONG64 flags;
    PWSTR domain, name_server, search_list;
    ULONG registration, register_adapter_name, llmnr, query_adapter_name;
    PWSTR profile_name_server;
} SETTINGS;

static int known(const SETTINGS *settings)
{
    return settings && settings->version >= 1 && settings->version <= 4;
}

DWORD WINAPI our_SetInterfaceDnsSettings(GUID guid, const SETTINGS *settings)
{
    MAY_FAIL("SetInterfaceDnsSettings");
    NET_IFINDEX index;
    if (!known(settings))
        return ERROR_INVALID_PARAMETER;
    DWORD error = index_of_guid(&guid, &index);
    if (error || !(settings->flags & SETTING_NAMESERVER))
        return error;
    char servers[1024] = "";
    WideCharToMultiByte(CP_UTF8, 0, settings->name_server ? settings->name_server : L"", -1, servers, sizeof servers,
                        NULL, NULL);
    return host_ask(NULL, "set-dns %lu %c %s", index, settings->flags & SETTING_IPV6 ? '6' : '4', servers);
}

DWORD WINAPI our_GetInterfaceDnsSettings(GUID guid, SETTINGS *settings)
{
    MAY_FAIL("GetInterfaceDnsSettings");
    NET_IFINDEX index;
    char *servers;
    if (!known(settings))
        return ERROR_INVALID_PARAMETER;
    DWORD error = index_of_guid(&guid, &index);
    if (!error)
        error = host_ask(&servers, "dns %lu %c", index, settings->flags & SETTING_IPV6 ? '6' : '4');
    if (error)
        return error;
    int length = MultiByteToWideChar(CP_UTF8, 0, servers, -1, NULL, 0);
    settings->flags = (settings->flags & SETTING_IPV6) | (*servers ? SETTING_NAMESERVER : 0);
    settings->domain = settings->search_list = settings->profile_name_server = settings->name_server = NULL;
    if (*servers && (settings->name_server = malloc((size_t)length * sizeof(WCHAR))))
        MultiByteToWideChar(CP_UTF8, 0, servers, -1, settings->name_server, length);
    free(servers);
    return ERROR_SUCCESS;
}

void WINAPI our_FreeInterfaceDnsSettings(SETTINGS *settings)
{
    free(settings->name_server);
    settings->name_server = NULL;
}

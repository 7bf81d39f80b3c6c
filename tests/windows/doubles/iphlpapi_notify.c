/*
 * Notifications. From the first one that somebody wants, a thread listens to what the host sees change, one line each:
 *
 *   interface TYPE FAMILY INDEX
 *   address TYPE INDEX ADDRESS
 *   route TYPE INDEX DESTINATION LENGTH NEXT-HOP
 *
 * TYPE is the number of the MIB_NOTIFICATION_TYPE.
 */
#include "iphlpapi.h"

#include <stdio.h>
#include <stdlib.h>

enum { INTERFACE, ADDRESS, ROUTE };

typedef void(WINAPI *CALLBACK_OF_ANY)(void *context, void *row, MIB_NOTIFICATION_TYPE type);

typedef struct WISH {
    struct WISH *next;
    int kind;
    ADDRESS_FAMILY family;
    CALLBACK_OF_ANY callback;
    void *context;
} WISH;

/* Held while callbacks run, too: whoever cancels waits until none is running. */
static CRITICAL_SECTION wishes_lock;
static WISH *wishes;
static INIT_ONCE prepared = INIT_ONCE_STATIC_INIT;
static SOCKET changes = INVALID_SOCKET;

static void tell(int kind, ADDRESS_FAMILY family, void *row, MIB_NOTIFICATION_TYPE type)
{
    EnterCriticalSection(&wishes_lock);
    for (WISH *wish = wishes, *next; wish; wish = next) {
        next = wish->next;
        if (wish->kind == kind && (wish->family == AF_UNSPEC || wish->family == family))
            wish->callback(wish->context, row, type);
    }
    LeaveCriticalSection(&wishes_lock);
}

static void tell_interface(const char *line)
{
    MIB_IPINTERFACE_ROW row = {0};
    int type;
    char family;
    if (sscanf(line, "interface %d %c %lu", &type, &family, &row.InterfaceIndex) != 3)
        return;
    row.Family = family == '4' ? AF_INET : AF_INET6;
    ConvertInterfaceIndexToLuid(row.InterfaceIndex, &row.InterfaceLuid);
    tell(INTERFACE, row.Family, &row, type);
}

static void tell_address(const char *line)
{
    MIB_UNICASTIPADDRESS_ROW row = {0};
    int type;
    char address[ADDRESS_TEXT];
    if (sscanf(line, "address %d %lu %63s", &type, &row.InterfaceIndex, address) != 3
        || !read_address(address, &row.Address))
        return;
    ConvertInterfaceIndexToLuid(row.InterfaceIndex, &row.InterfaceLuid);
    tell(ADDRESS, row.Address.si_family, &row, type);
}

static void tell_route(const char *line)
{
    MIB_IPFORWARD_ROW2 row = {0};
    int type;
    unsigned length;
    char destination[ADDRESS_TEXT], next_hop[ADDRESS_TEXT];
    if (sscanf(line, "route %d %lu %63s %u %63s", &type, &row.InterfaceIndex, destination, &length, next_hop) != 5
        || !read_address(destination, &row.DestinationPrefix.Prefix) || !read_address(next_hop, &row.NextHop))
        return;
    row.DestinationPrefix.PrefixLength = (UINT8)length;
    ConvertInterfaceIndexToLuid(row.InterfaceIndex, &row.InterfaceLuid);
    tell(ROUTE, row.DestinationPrefix.Prefix.si_family, &row, type);
}

static DWORD WINAPI listen_to_host(void *parameter)
{
    (void)parameter;
    char line[256];
    int at = 0;
    while (host_receive(changes, line + at, 1)) {
        if (line[at] != '\n') {
            at += at < (int)sizeof line - 1;
            continue;
        }
        line[at] = 0;
        at = 0;
        tell_interface(line);
        tell_address(line);
        tell_route(line);
    }
    return 0;
}

static BOOL CALLBACK prepare(INIT_ONCE *once, void *parameter, void **context)
{
    (void)once, (void)parameter, (void)context;
    char answer[4];
    InitializeCriticalSection(&wishes_lock);
    changes = host_connect("changes", "-");
    if (changes == INVALID_SOCKET || !host_receive(changes, answer, sizeof answer))
        return FALSE;
    HANDLE thread = CreateThread(NULL, 0, listen_to_host, NULL, 0, NULL);
    if (thread)
        CloseHandle(thread);
    return thread != NULL;
}

static DWORD wish_for(int kind, ADDRESS_FAMILY family, CALLBACK_OF_ANY callback, void *context, BOOLEAN initial,
                      HANDLE *handle)
{
    if (!callback || !handle || !family_letter(family))
        return ERROR_INVALID_PARAMETER;
    if (!InitOnceExecuteOnce(&prepared, prepare, NULL, NULL))
        return ERROR_NOT_SUPPORTED;
    WISH *wish = malloc(sizeof *wish);
    if (!wish)
        return ERROR_NOT_ENOUGH_MEMORY;
    EnterCriticalSection(&wishes_lock);
    *wish = (WISH){wishes, kind, family, callback, context};
    wishes = wish;
    *handle = (HANDLE)wish;
    if (initial)
        callback(context, NULL, MibInitialNotification);
    LeaveCriticalSection(&wishes_lock);
    return ERROR_SUCCESS;
}

DWORD WINAPI our_NotifyIpInterfaceChange(ADDRESS_FAMILY family, PIPINTERFACE_CHANGE_CALLBACK callback, void *context,
                                         BOOLEAN initial, HANDLE *handle)
{
    MAY_FAIL("NotifyIpInterfaceChange");
    return wish_for(INTERFACE, family, (CALLBACK_OF_ANY)callback, context, initial, handle);
}

DWORD WINAPI our_NotifyUnicastIpAddressChange(ADDRESS_FAMILY family, PUNICAST_IPADDRESS_CHANGE_CALLBACK callback,
                                              void *context, BOOLEAN initial, HANDLE *handle)
{
    MAY_FAIL("NotifyUnicastIpAddressChange");
    return wish_for(ADDRESS, family, (CALLBACK_OF_ANY)callback, context, initial, handle);
}

DWORD WINAPI our_NotifyRouteChange2(ADDRESS_FAMILY family, PIPFORWARD_CHANGE_CALLBACK callback, void *context,
                                    BOOLEAN initial, HANDLE *handle)
{
    MAY_FAIL("NotifyRouteChange2");
    return wish_for(ROUTE, family, (CALLBACK_OF_ANY)callback, context, initial, handle);
}

DWORD WINAPI our_CancelMibChangeNotify2(HANDLE handle)
{
    WISH **at = &wishes;
    if (!InitOnceExecuteOnce(&prepared, prepare, NULL, NULL))
        return ERROR_INVALID_PARAMETER;
    EnterCriticalSection(&wishes_lock);
    while (*at && *at != (WISH *)handle)
        at = &(*at)->next;
    WISH *found = *at;
    if (found)
        *at = found->next;
    LeaveCriticalSection(&wishes_lock);
    free(found);
    return found ? ERROR_SUCCESS : ERROR_INVALID_PARAMETER;
}

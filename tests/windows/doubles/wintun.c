/*
 * wintun.dll without a driver: all functions of version 0.14, with the errors, events and rings that its header
 * documents. An adapter is a tun device that `windows-host` makes; packets go over a connection of their own.
 *
 *   FAKE_WINTUN_FAIL   which functions fail, by their names without `Wintun` (see host.h)
 *   FAKE_WINTUN_STALL  set: nothing leaves the ring of packets to be sent, until the host says otherwise
 */
#include "wintun_session.h"

#include <iphlpapi.h>
#include <stdio.h>
#include <stdlib.h>

#define API __declspec(dllexport)
#define LEAST_CAPACITY 0x20000u
#define MOST_CAPACITY 0x4000000u

const char *const double_name = "wintun";
const char *const faults_variable = "FAKE_WINTUN_FAIL";

typedef void(CALLBACK *LOGGER)(int level, DWORD64 timestamp, const WCHAR *message);

static LOGGER logger;
static volatile LONG adapters;

void say(int level, const WCHAR *format, ...)
{
    if (!logger)
        return;
    WCHAR message[256];
    va_list arguments;
    va_start(arguments, format);
    _vsnwprintf(message, 255, format, arguments);
    va_end(arguments);
    message[255] = 0;
    FILETIME now;
    GetSystemTimeAsFileTime(&now);
    logger(level, (DWORD64)now.dwHighDateTime << 32 | now.dwLowDateTime, message);
}

/* What a function that fails returns. */
static void *fail(const char *function, DWORD error)
{
    say(2, L"Wintun%hs: error 0x%lx", function, error);
    SetLastError(error);
    return NULL;
}

/* ---- adapters ---- */

static ADAPTER *new_adapter(const char *function, const WCHAR *name, const char *request)
{
    DWORD error = ERROR_INVALID_PARAMETER;
    if (injected(function, &error))
        return fail(function, error);
    ADAPTER *adapter = calloc(1, sizeof *adapter);
    if (!adapter)
        return fail(function, ERROR_NOT_ENOUGH_MEMORY);
    char *index = NULL;
    if (name && *name && wcslen(name) < NAME_LIMIT
        && WideCharToMultiByte(CP_UTF8, 0, name, -1, adapter->name, sizeof adapter->name, NULL, NULL))
        error = host_ask(&index, "%s %s", request, adapter->name);
    if (!error)
        error = ConvertInterfaceIndexToLuid(strtoul(index, NULL, 10), &adapter->luid);
    free(index);
    if (error) {
        free(adapter);
        return fail(function, error);
    }
    InterlockedIncrement(&adapters);
    return adapter;
}

API ADAPTER *WINAPI WintunCreateAdapter(const WCHAR *name, const WCHAR *type, const GUID *guid)
{
    if (!type || !*type || wcslen(type) >= NAME_LIMIT)
        return fail("CreateAdapter", ERROR_INVALID_PARAMETER);
    char request[64] = "create -";
    if (guid)
        snprintf(request, sizeof request, "create {%08lX-%04X-%04X-%02X%02X-%02X%02X%02X%02X%02X%02X}", guid->Data1,
                 guid->Data2, guid->Data3, guid->Data4[0], guid->Data4[1], guid->Data4[2], guid->Data4[3],
                 guid->Data4[4], guid->Data4[5], guid->Data4[6], guid->Data4[7]);
    ADAPTER *adapter = new_adapter("CreateAdapter", name, request);
    if (adapter) {
        adapter->created = 1;
        say(0, L"Creating adapter %ls", name);
    }
    return adapter;
}

API ADAPTER *WINAPI WintunOpenAdapter(const WCHAR *name)
{
    return new_adapter("OpenAdapter", name, "open");
}

API void WINAPI WintunCloseAdapter(ADAPTER *adapter)
{
    if (!adapter)
        return;
    if (adapter->created)
        host_ask(NULL, "close %s", adapter->name);
    InterlockedDecrement(&adapters);
    free(adapter);
}

API void WINAPI WintunGetAdapterLUID(ADAPTER *adapter, NET_LUID *luid)
{
    *luid = adapter->luid;
}

API BOOL WINAPI WintunDeleteDriver(void)
{
    DWORD error;
    return !injected("DeleteDriver", &error) || fail("DeleteDriver", error);
}

/* The version in the high word and the low one, once the driver is there. */
API DWORD WINAPI WintunGetRunningDriverVersion(void)
{
    DWORD error = ERROR_FILE_NOT_FOUND;
    if (injected("GetRunningDriverVersion", &error) || !adapters) {
        fail("GetRunningDriverVersion", error);
        return 0;
    }
    return 0 << 16 | 14;
}

API void WINAPI WintunSetLogger(LOGGER new_logger)
{
    logger = new_logger;
}

/* ---- sessions ---- */

static void free_session(SESSION *session)
{
    if (session->host != INVALID_SOCKET)
        closesocket(session->host);
    if (session->readable)
        CloseHandle(session->readable);
    free_ring(&session->received);
    free_ring(&session->sent);
    free(session);
}

static DWORD connect_session(SESSION *session)
{
    char answer[4];
    session->host = host_connect("session", session->adapter->name);
    if (session->host == INVALID_SOCKET || !host_receive(session->host, answer, sizeof answer))
        return ERROR_NOT_READY;
    return memcmp(answer, "0 0\n", sizeof answer) ? ERROR_ALREADY_INITIALIZED : ERROR_SUCCESS;
}

API SESSION *WINAPI WintunStartSession(ADAPTER *adapter, DWORD capacity)
{
    DWORD error = ERROR_NOT_ENOUGH_MEMORY;
    char stall[4];
    if (injected("StartSession", &error))
        return fail("StartSession", error);
    if (!adapter || capacity < LEAST_CAPACITY || capacity > MOST_CAPACITY || (capacity & (capacity - 1)))
        return fail("StartSession", ERROR_INVALID_PARAMETER);
    SESSION *session = calloc(1, sizeof *session);
    if (!session)
        return fail("StartSession", error);
    session->adapter = adapter;
    session->host = INVALID_SOCKET;
    session->stalled = GetEnvironmentVariableA("FAKE_WINTUN_STALL", stall, sizeof stall) > 0;
    session->readable = CreateEventW(NULL, FALSE, FALSE, NULL);
    if (session->readable && make_ring(&session->received, capacity) && make_ring(&session->sent, capacity))
        error = connect_session(session);
    if (error) {
        free_session(session);
        return fail("StartSession", error);
    }
    session->receiver = CreateThread(NULL, 0, receive, session, 0, NULL);
    session->sender = CreateThread(NULL, 0, deliver, session, 0, NULL);
    return session;
}

API void WINAPI WintunEndSession(SESSION *session)
{
    AcquireSRWLockExclusive(&session->sent.lock);
    session->stopping = 1;
    ReleaseSRWLockExclusive(&session->sent.lock);
    WakeConditionVariable(&session->ready);
    shutdown(session->host, SD_BOTH);
    HANDLE threads[] = {session->receiver, session->sender};
    WaitForMultipleObjects(2, threads, TRUE, INFINITE);
    CloseHandle(threads[0]);
    CloseHandle(threads[1]);
    say(0, L"Session ended; %ld packets found no room", session->dropped);
    free_session(session);
}

API HANDLE WINAPI WintunGetReadWaitEvent(SESSION *session)
{
    return session->readable;
}

API BYTE *WINAPI WintunReceivePacket(SESSION *session, DWORD *size)
{
    DWORD error = ERROR_NO_MORE_ITEMS;
    if (session->ended)
        error = ERROR_HANDLE_EOF;
    else if (!injected("ReceivePacket", &error)) {
        RING *ring = &session->received;
        SLOT *slot = NULL;
        AcquireSRWLockExclusive(&ring->lock);
        if (ring->middle != ring->last) {
            slot = slot_at(ring, ring->middle);
            ring->middle = after(ring, ring->middle);
        }
        ReleaseSRWLockExclusive(&ring->lock);
        if (slot) {
            *size = slot->size;
            return slot->data;
        }
    }
    SetLastError(error);
    return NULL;
}

API void WINAPI WintunReleaseReceivePacket(SESSION *session, const BYTE *packet)
{
    RING *ring = &session->received;
    AcquireSRWLockExclusive(&ring->lock);
    slot_of(packet)->busy = 0;
    advance(ring, &ring->first, ring->middle);
    ReleaseSRWLockExclusive(&ring->lock);
}

API BYTE *WINAPI WintunAllocateSendPacket(SESSION *session, DWORD size)
{
    DWORD error = ERROR_BUFFER_OVERFLOW;
    if (size > PACKET_LIMIT)
        error = ERROR_INVALID_PARAMETER;
    else if (session->ended)
        error = ERROR_HANDLE_EOF;
    else if (!injected("AllocateSendPacket", &error)) {
        AcquireSRWLockExclusive(&session->sent.lock);
        SLOT *slot = append(&session->sent, size);
        ReleaseSRWLockExclusive(&session->sent.lock);
        if (slot)
            return slot->data;
    }
    SetLastError(error);
    return NULL;
}

/* Packets leave in the order in which they were allocated. */
API void WINAPI WintunSendPacket(SESSION *session, const BYTE *packet)
{
    RING *ring = &session->sent;
    AcquireSRWLockExclusive(&ring->lock);
    slot_of(packet)->busy = 0;
    int moved = advance(ring, &ring->middle, ring->last);
    ReleaseSRWLockExclusive(&ring->lock);
    if (moved)
        WakeConditionVariable(&session->ready);
}

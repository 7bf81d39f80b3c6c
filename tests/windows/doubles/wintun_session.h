/* What the functions of wintun.dll share with the threads that stand for its driver. */
#ifndef WINTUN_SESSION_H
#define WINTUN_SESSION_H

#include "wintun_ring.h"

#include <netioapi.h>

#define NAME_LIMIT 128

typedef struct {
    char name[NAME_LIMIT * 4];
    NET_LUID luid;
    int created; /* or opened: then it belongs to somebody else */
    int sessions;
} ADAPTER;

typedef struct {
    ADAPTER *adapter;
    RING received, sent;
    CONDITION_VARIABLE ready;
    HANDLE readable, receiver, sender;
    SOCKET host;
    volatile LONG ended, stopping, stalled, dropped;
} SESSION;

/* Tells the application's logger: level 0 is information, 1 a warning, 2 an error. */
void say(int level, const WCHAR *format, ...);

/* Threads: what the host sends goes into the ring `received`, and what stands in `sent` goes to the host. */
DWORD WINAPI receive(void *session);
DWORD WINAPI deliver(void *session);

#endif

/*
 * What stands behind the doubles: the program `windows-host`, which runs in the same network namespace on Linux and
 * does there what the functions of these DLLs promise. A DLL has one connection to it, over loopback, from its first
 * call to the end of its process: by that end the host learns that the process has gone.
 *
 * A request is a line. Its answer is a line `ERROR LENGTH`, ERROR in the numbers of Windows, and LENGTH bytes more.
 */
#ifndef HOST_H
#define HOST_H

#define _WIN32_WINNT 0x0A00
#define WIN32_LEAN_AND_MEAN
#include <winsock2.h>
#include <ws2tcpip.h>
#include <windows.h>

/* The port of `windows-host` on 127.0.0.1. A namespace has one Windows PC, so that all PCs can have the same. */
#define HOST_PORT 48620
/* The longest request: a firewall rule with all that it can say. */
#define REQUEST_LIMIT 16384

/* Says which of the DLLs it is, and where its faults stand: each DLL has these two. */
extern const char *const double_name;
extern const char *const faults_variable;

/* A new connection that begins with `kind PROCESS argument`; INVALID_SOCKET if there is no host. */
SOCKET host_connect(const char *kind, const char *argument);

/* Receives exactly `length` bytes; 0 if the connection ended before. */
int host_receive(SOCKET connection, void *buffer, int length);

/*
 * Asks the host, and returns the error of its answer. `text` may be NULL; else it gets the rest of the answer, to be
 * freed, or NULL in case of an error.
 */
DWORD host_ask(char **text, const char *format, ...) __attribute__((format(gnu_printf, 2, 3)));

/*
 * Whether this call of `function` is to fail, and how. The variable of the environment says which do:
 * `FUNCTION=ERROR[*COUNT],…`, the error decimal or as 0x…; COUNT calls fail, all of them if it is left out.
 */
int injected(const char *function, DWORD *error);

#endif

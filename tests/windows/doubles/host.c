/* The connection to `windows-host`, and the faults that a test asks for: what all doubles have. */
#include "host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FAULT_LIMIT 32

typedef struct {
    char function[64];
    DWORD error;
    LONG left; /* calls that still fail; negative: all of them */
} FAULT;

static FAULT faults[FAULT_LIMIT];
static volatile LONG fault_count;
static INIT_ONCE faults_read = INIT_ONCE_STATIC_INIT;

static SRWLOCK asking = SRWLOCK_INIT;
static SOCKET asked = INVALID_SOCKET;

SOCKET host_connect(const char *kind, const char *argument)
{
    WSADATA data;
    WSAStartup(MAKEWORD(2, 2), &data);
    SOCKET s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    if (s == INVALID_SOCKET)
        return s;
    struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(HOST_PORT)};
    host.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int yes = 1;
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, (char *)&yes, sizeof yes);
    char hello[256];
    int length = snprintf(hello, sizeof hello, "%s %lu %s\n", kind, GetCurrentProcessId(), argument);
    if (connect(s, (struct sockaddr *)&host, sizeof host) || send(s, hello, length, 0) != length) {
        closesocket(s);
        return INVALID_SOCKET;
    }
    return s;
}

int host_receive(SOCKET connection, void *buffer, int length)
{
    char *to = buffer;
    while (length > 0) {
        int n = recv(connection, to, length, 0);
        if (n <= 0)
            return 0;
        to += n;
        length -= n;
    }
    return 1;
}

/* Receives an answer; `text` is never NULL here. */
static DWORD receive_answer(SOCKET s, char **text)
{
    char line[64];
    DWORD error;
    int at = 0, length;
    do {
        if (at == sizeof line - 1 || !host_receive(s, line + at, 1))
            return ERROR_CONNECTION_ABORTED;
    } while (line[at++] != '\n');
    line[at] = 0;
    if (sscanf(line, "%lu %d", &error, &length) != 2 || length < 0)
        return ERROR_INVALID_DATA;
    *text = calloc(1, (size_t)length + 1);
    if (!*text)
        return ERROR_NOT_ENOUGH_MEMORY;
    return host_receive(s, *text, length) ? error : ERROR_CONNECTION_ABORTED;
}

static DWORD exchange(const char *request, int length, char **text)
{
    if (asked == INVALID_SOCKET)
        asked = host_connect(double_name, "-");
    if (asked == INVALID_SOCKET)
        return ERROR_CONNECTION_REFUSED;
    if (send(asked, request, length, 0) != length)
        return ERROR_CONNECTION_ABORTED;
    return receive_answer(asked, text);
}

DWORD host_ask(char **text, const char *format, ...)
{
    char *request = malloc(REQUEST_LIMIT), *answer = NULL;
    if (!request)
        return ERROR_NOT_ENOUGH_MEMORY;
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(request, REQUEST_LIMIT - 1, format, arguments);
    va_end(arguments);
    DWORD error = ERROR_BUFFER_OVERFLOW;
    if (length >= 0 && length < REQUEST_LIMIT - 1) {
        request[length++] = '\n';
        AcquireSRWLockExclusive(&asking);
        error = exchange(request, length, &answer);
        ReleaseSRWLockExclusive(&asking);
    }
    free(request);
    if (error || !text) {
        free(answer);
        answer = NULL;
    }
    if (text)
        *text = answer;
    return error;
}

static BOOL CALLBACK read_faults(INIT_ONCE *once, void *parameter, void **context)
{
    (void)once, (void)parameter, (void)context;
    char value[1024];
    DWORD length = GetEnvironmentVariableA(faults_variable, value, sizeof value);
    if (!length || length >= sizeof value)
        return TRUE;
    int count = 0;
    for (char *word = strtok(value, ","); word && count < FAULT_LIMIT; word = strtok(NULL, ",")) {
        char *equals = strchr(word, '='), *end;
        if (!equals || equals - word >= (int)sizeof faults->function)
            continue;
        FAULT *fault = &faults[count++];
        memcpy(fault->function, word, equals - word);
        fault->error = strtoul(equals + 1, &end, 0);
        fault->left = *end == '*' ? atol(end + 1) : -1;
    }
    fault_count = count;
    return TRUE;
}

/* Takes one of the calls that are still to fail. */
static int use(FAULT *fault)
{
    for (;;) {
        LONG left = fault->left;
        if (left <= 0)
            return left < 0;
        if (InterlockedCompareExchange(&fault->left, left - 1, left) == left)
            return 1;
    }
}

int injected(const char *function, DWORD *error)
{
    InitOnceExecuteOnce(&faults_read, read_faults, NULL, NULL);
    for (int i = 0; i < fault_count; i++) {
        if (!strcmp(faults[i].function, function) && use(&faults[i])) {
            *error = faults[i].error;
            return 1;
        }
    }
    return 0;
}

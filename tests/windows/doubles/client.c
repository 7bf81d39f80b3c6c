/*
 * v6tun-client.exe, as far as an installer knows it: `install` makes the service and starts it, `uninstall` stops and
 * removes it, `service` is what runs as the service. Each writes a line into C:\told, with the VERSION it is built for.
 *
 * A file C:\fail-COMMAND makes that command fail.
 */
#include <stdio.h>
#include <string.h>
#include <windows.h>

#define NAME "v6tun"

static SERVICE_STATUS_HANDLE handle;
static HANDLE end;

static void tell(const char *what)
{
    FILE *file = fopen("C:\\told", "a");
    if (!file)
        return;
    fprintf(file, "%s %s\n", VERSION, what);
    fclose(file);
}

static int fails(const char *command)
{
    char path[64];
    snprintf(path, sizeof path, "C:\\fail-%s", command);
    return GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES;
}

/* ---- the service ---- */

static void set_state(DWORD state)
{
    SERVICE_STATUS status = {SERVICE_WIN32_OWN_PROCESS, state, SERVICE_ACCEPT_STOP, 0, 0, 0, 0};
    SetServiceStatus(handle, &status);
}

static DWORD WINAPI handle_control(DWORD control, DWORD type, void *data, void *context)
{
    (void)type, (void)data, (void)context;
    if (control == SERVICE_CONTROL_STOP)
        SetEvent(end);
    return NO_ERROR;
}

static void WINAPI run_service(DWORD count, char **arguments)
{
    (void)count, (void)arguments;
    end = CreateEventA(NULL, TRUE, FALSE, NULL);
    handle = RegisterServiceCtrlHandlerExA(NAME, handle_control, NULL);
    tell("runs");
    set_state(SERVICE_RUNNING);
    WaitForSingleObject(end, INFINITE);
    tell("ends");
    set_state(SERVICE_STOPPED);
}

static int dispatch(void)
{
    SERVICE_TABLE_ENTRYA table[] = {{NAME, run_service}, {NULL, NULL}};
    return !StartServiceCtrlDispatcherA(table);
}

/* ---- the commands ---- */

static int has_started(SC_HANDLE service)
{
    SERVICE_STATUS status = {0};
    while (QueryServiceStatus(service, &status) && status.dwCurrentState == SERVICE_START_PENDING)
        Sleep(10);
    return status.dwCurrentState == SERVICE_RUNNING;
}

static int install(SC_HANDLE manager, SC_HANDLE service)
{
    char path[MAX_PATH], command[MAX_PATH + 16];
    GetModuleFileNameA(NULL, path, sizeof path);
    snprintf(command, sizeof command, "\"%s\" service", path);
    if (service)
        tell("finds the service");
    else
        service = CreateServiceA(manager, NAME, NAME, SERVICE_ALL_ACCESS, SERVICE_WIN32_OWN_PROCESS,
            SERVICE_AUTO_START, SERVICE_ERROR_NORMAL, command, NULL, NULL, NULL, NULL, NULL);
    return !service || !StartServiceA(service, 0, NULL) || !has_started(service);
}

static int uninstall(SC_HANDLE service)
{
    SERVICE_STATUS status;
    if (!service)
        return 0;
    ControlService(service, SERVICE_CONTROL_STOP, &status);
    return !DeleteService(service);
}

int main(int count, char **arguments)
{
    const char *command = count == 2 ? arguments[1] : "";
    if (!strcmp(command, "service"))
        return dispatch();
    tell(command);
    if (fails(command))
        return 1;
    SC_HANDLE manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_ALL_ACCESS);
    SC_HANDLE service = OpenServiceA(manager, NAME, SERVICE_ALL_ACCESS);
    if (!strcmp(command, "install"))
        return install(manager, service);
    if (!strcmp(command, "uninstall"))
        return uninstall(service);
    return 2;
}

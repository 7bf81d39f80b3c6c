/*
 * close-window.exe PROGRAM: does to all processes of this program what Windows does when somebody closes the window of
 * their console. Each runs its handlers in a new thread; when they have returned, or five seconds have passed, it is
 * ended.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <stdio.h>
#include <tlhelp32.h>

#define PATIENCE_MS 5000

static int close_window(DWORD id)
{
    HANDLE process = OpenProcess(PROCESS_ALL_ACCESS, FALSE, id);
    /* Wine loads its own DLLs at the same place in every process. */
    void *routine = (void *)GetProcAddress(GetModuleHandleW(L"kernelbase"), "CtrlRoutine");
    HANDLE thread = NULL;
    if (process && routine)
        thread = CreateRemoteThread(process, NULL, 0, (LPTHREAD_START_ROUTINE)routine, (void *)CTRL_CLOSE_EVENT, 0, NULL);
    if (!thread) {
        fprintf(stderr, "close-window: process %lu: error %lu\n", id, GetLastError());
        return 0;
    }
    WaitForSingleObject(thread, PATIENCE_MS);
    TerminateProcess(process, CONTROL_C_EXIT);
    CloseHandle(thread);
    CloseHandle(process);
    return 1;
}

int main(int count, char **words)
{
    PROCESSENTRY32 entry = {.dwSize = sizeof entry};
    HANDLE all = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    int found = 0;
    if (count != 2 || all == INVALID_HANDLE_VALUE)
        return 2;
    for (BOOL more = Process32First(all, &entry); more; more = Process32Next(all, &entry))
        if (!_stricmp(entry.szExeFile, words[1]))
            found += close_window(entry.th32ProcessID);
    CloseHandle(all);
    return found ? 0 : 1;
}

/*
 * bcryptprimitives.dll: the one function of it that Rust's standard library imports. Wine 8.0 has no such DLL, and
 * without it every program ends before it starts.
 */
#include <windows.h>

/* RtlGenRandom, under the name that advapi32.dll exports it by. */
BOOLEAN NTAPI SystemFunction036(PVOID buffer, ULONG length);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T length)
{
    const SIZE_T most = 1 << 28;
    while (length > 0) {
        ULONG part = (ULONG)(length < most ? length : most);
        if (!SystemFunction036(data, part))
            return FALSE;
        data += part;
        length -= part;
    }
    return TRUE;
}

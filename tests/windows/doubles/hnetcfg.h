/*
 * What the parts of the double of hnetcfg.dll share: the Windows firewall as COM objects. The rules are kept by
 * `windows-host`, which enforces them: they outlive the process, as the registry does.
 *
 *   FAKE_HNETCFG_FAIL   which methods fail, by the names of INetFwRules and `get_Rules`; the errors are HRESULTs
 *
 * A rule is told as words `KEY=VALUE`, the values percent-encoded.
 */
#ifndef HNETCFG_DOUBLE_H
#define HNETCFG_DOUBLE_H

#define COBJMACROS
#include "host.h"

#include <oleauto.h>
#include <netfw.h>

/* Returns at once if a test wants this method to fail. */
#define MAY_FAIL(method)                     \
    do {                                     \
        DWORD injected_error;                \
        if (injected(method, &injected_error)) \
            return (HRESULT)injected_error;  \
    } while (0)

/* Room for a value that is percent-encoded. */
#define VALUE_LIMIT 4096

/* A new rule as Windows makes one, or one that the host has told of in a line. */
INetFwRule *new_rule(const char *line);

/* Writes what the host is to keep of a rule, and learns what it calls it. */
HRESULT add_rule(INetFwRule *rule);

/* The collection of all rules. */
INetFwRules *rules(void);

/* Writes a text percent-encoded, at most VALUE_LIMIT bytes, and returns `to`. */
const char *encode(const WCHAR *text, char *to);

/* What IDispatch has and nobody calls. */
HRESULT STDMETHODCALLTYPE no_type_info_count(void *self, UINT *count);
HRESULT STDMETHODCALLTYPE no_type_info(void *self, UINT index, LCID locale, ITypeInfo **info);
HRESULT STDMETHODCALLTYPE no_ids(void *self, REFIID iid, LPOLESTR *names, UINT count, LCID locale, DISPID *ids);
HRESULT STDMETHODCALLTYPE no_invoke(void *self, DISPID id, REFIID iid, LCID locale, WORD flags, DISPPARAMS *parameters,
                                    VARIANT *result, EXCEPINFO *exception, UINT *argument);

/* Gives out the object if it is asked for one of its interfaces: `own`, IDispatch or IUnknown. */
HRESULT query(void *self, REFIID wanted, REFIID own, void **to);

#endif

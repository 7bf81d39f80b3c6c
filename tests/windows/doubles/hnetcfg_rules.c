/* The collection of all rules, and what enumerates it. */
#include "hnetcfg.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- IEnumVARIANT over the rules as they were when it was made ---- */

typedef struct {
    IEnumVARIANT com;
    LONG references;
    ULONG count, next;
    INetFwRule **rules;
} ENUMERATOR;

static HRESULT STDMETHODCALLTYPE enum_query(IEnumVARIANT *self, REFIID iid, void **to)
{
    if (!IsEqualIID(iid, &IID_IEnumVARIANT) && !IsEqualIID(iid, &IID_IUnknown)) {
        *to = NULL;
        return E_NOINTERFACE;
    }
    IEnumVARIANT_AddRef(self);
    *to = self;
    return S_OK;
}

static ULONG STDMETHODCALLTYPE enum_add_ref(IEnumVARIANT *self)
{
    return (ULONG)InterlockedIncrement(&((ENUMERATOR *)self)->references);
}

static ULONG STDMETHODCALLTYPE enum_release(IEnumVARIANT *self)
{
    ENUMERATOR *all = (ENUMERATOR *)self;
    LONG left = InterlockedDecrement(&all->references);
    if (!left) {
        for (ULONG i = 0; i < all->count; i++)
            INetFwRule_Release(all->rules[i]);
        free(all->rules);
        free(all);
    }
    return (ULONG)left;
}

static HRESULT STDMETHODCALLTYPE enum_next(IEnumVARIANT *self, ULONG wanted, VARIANT *to, ULONG *fetched)
{
    ENUMERATOR *all = (ENUMERATOR *)self;
    ULONG got = 0;
    for (; got < wanted && all->next < all->count; got++) {
        VariantInit(&to[got]);
        V_VT(&to[got]) = VT_DISPATCH;
        V_DISPATCH(&to[got]) = (IDispatch *)all->rules[all->next++];
        IDispatch_AddRef(V_DISPATCH(&to[got]));
    }
    if (fetched)
        *fetched = got;
    return got == wanted ? S_OK : S_FALSE;
}

static HRESULT STDMETHODCALLTYPE enum_skip(IEnumVARIANT *self, ULONG count)
{
    ENUMERATOR *all = (ENUMERATOR *)self;
    ULONG left = all->count - all->next;
    all->next += count < left ? count : left;
    return count <= left ? S_OK : S_FALSE;
}

static HRESULT STDMETHODCALLTYPE enum_reset(IEnumVARIANT *self)
{
    ((ENUMERATOR *)self)->next = 0;
    return S_OK;
}

static HRESULT STDMETHODCALLTYPE enum_clone(IEnumVARIANT *self, IEnumVARIANT **to)
{
    (void)self;
    *to = NULL;
    return E_NOTIMPL;
}

static IEnumVARIANTVtbl enum_methods = {enum_query, enum_add_ref, enum_release, enum_next,
                                        enum_skip,  enum_reset,   enum_clone};

/* All rules of the host, of this name if it is not NULL. */
static HRESULT enumerate(const char *request, ENUMERATOR **to)
{
    char *lines, *next;
    DWORD error = host_ask(&lines, "%s", request);
    if (error)
        return HRESULT_FROM_WIN32(error);
    ENUMERATOR *all = calloc(1, sizeof *all);
    ULONG room = 0;
    for (const char *at = lines; *at; at++)
        room += *at == '\n';
    if (all)
        all->rules = calloc(room + 1, sizeof *all->rules);
    if (!all || !all->rules) {
        free(all);
        free(lines);
        return E_OUTOFMEMORY;
    }
    all->com.lpVtbl = &enum_methods;
    all->references = 1;
    for (char *line = strtok_s(lines, "\n", &next); line; line = strtok_s(NULL, "\n", &next)) {
        INetFwRule *rule = new_rule(line);
        if (rule)
            all->rules[all->count++] = rule;
    }
    free(lines);
    *to = all;
    return S_OK;
}

/* ---- INetFwRules ---- */

static HRESULT STDMETHODCALLTYPE rules_query(INetFwRules *self, REFIID iid, void **to)
{
    return query(self, iid, &IID_INetFwRules, to);
}

/* The collection stays. */
static ULONG STDMETHODCALLTYPE rules_reference(INetFwRules *self)
{
    (void)self;
    return 1;
}

static HRESULT STDMETHODCALLTYPE rules_count(INetFwRules *self, LONG *count)
{
    (void)self;
    ENUMERATOR *all;
    HRESULT result = enumerate("rules", &all);
    if (FAILED(result))
        return result;
    *count = (LONG)all->count;
    enum_release(&all->com);
    return S_OK;
}

static HRESULT STDMETHODCALLTYPE rules_add(INetFwRules *self, INetFwRule *rule)
{
    (void)self;
    MAY_FAIL("Add");
    return rule ? add_rule(rule) : E_POINTER;
}

/* A name that no rule has is no error on Windows. Of several rules of one name it takes one. */
static HRESULT STDMETHODCALLTYPE rules_remove(INetFwRules *self, BSTR name)
{
    (void)self;
    MAY_FAIL("Remove");
    char encoded[VALUE_LIMIT];
    DWORD error = host_ask(NULL, "remove %s", encode(name, encoded));
    return error ? HRESULT_FROM_WIN32(error) : S_OK;
}

static HRESULT STDMETHODCALLTYPE rules_item(INetFwRules *self, BSTR name, INetFwRule **to)
{
    (void)self;
    MAY_FAIL("Item");
    char encoded[VALUE_LIMIT], request[VALUE_LIMIT + 16];
    ENUMERATOR *all;
    *to = NULL;
    snprintf(request, sizeof request, "rules %s", encode(name, encoded));
    HRESULT result = enumerate(request, &all);
    if (FAILED(result))
        return result;
    if (all->count) {
        *to = all->rules[0];
        INetFwRule_AddRef(*to);
    }
    enum_release(&all->com);
    return *to ? S_OK : HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND);
}

static HRESULT STDMETHODCALLTYPE rules_enum(INetFwRules *self, IUnknown **to)
{
    (void)self;
    MAY_FAIL("get__NewEnum");
    ENUMERATOR *all;
    HRESULT result = enumerate("rules", &all);
    *to = SUCCEEDED(result) ? (IUnknown *)&all->com : NULL;
    return result;
}

static INetFwRulesVtbl rules_methods = {
    .QueryInterface = rules_query,
    .AddRef = rules_reference,
    .Release = rules_reference,
    .GetTypeInfoCount = (void *)no_type_info_count,
    .GetTypeInfo = (void *)no_type_info,
    .GetIDsOfNames = (void *)no_ids,
    .Invoke = (void *)no_invoke,
    .get_Count = rules_count,
    .Add = rules_add,
    .Remove = rules_remove,
    .Item = rules_item,
    .get__NewEnum = rules_enum,
};
static INetFwRules all_rules = {&rules_methods};

INetFwRules *rules(void)
{
    return &all_rules;
}

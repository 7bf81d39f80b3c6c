/* A rule. What is put into one that has been added is done at once, as on Windows. */
#include "hnetcfg.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    NAME, DESCRIPTION, APPLICATION, SERVICE, LOCAL_PORTS, REMOTE_PORTS, LOCAL_ADDRESSES, REMOTE_ADDRESSES, ICMP,
    INTERFACES, INTERFACE_TYPES, GROUPING, TEXTS
};
#define ANY_PROTOCOL 256

enum { PROTOCOL, DIRECTION, ENABLED, PROFILES, EDGE, ACTION, NUMBERS };

static const char *const text_keys[TEXTS] = {
    "name", "description", "application", "service", "local-ports", "remote-ports", "local-addresses",
    "remote-addresses", "icmp", "interfaces", "interface-types", "grouping",
};
static const char *const number_keys[NUMBERS] = {"protocol", "direction", "enabled", "profiles", "edge", "action"};

typedef struct {
    INetFwRule com;
    LONG references;
    char id[16]; /* empty: it has not been added */
    BSTR texts[TEXTS];
    LONG numbers[NUMBERS];
} RULE;

static RULE *of(INetFwRule *rule)
{
    return (RULE *)rule;
}

/* ---- as text ---- */

const char *encode(const WCHAR *text, char *to)
{
    static const char digits[] = "0123456789ABCDEF", plain[] = "-_.:/,*{}()";
    char bytes[VALUE_LIMIT / 3];
    int at = 0;
    if (!WideCharToMultiByte(CP_UTF8, 0, text ? text : L"", -1, bytes, sizeof bytes, NULL, NULL))
        bytes[0] = 0;
    for (const unsigned char *c = (unsigned char *)bytes; *c; c++) {
        if (isalnum(*c) || strchr(plain, *c)) {
            to[at++] = (char)*c;
        } else {
            to[at++] = '%';
            to[at++] = digits[*c >> 4];
            to[at++] = digits[*c & 15];
        }
    }
    to[at] = 0;
    return to;
}

static BSTR decode(const char *text)
{
    char bytes[VALUE_LIMIT];
    WCHAR wide[VALUE_LIMIT];
    int at = 0;
    unsigned byte;
    while (*text && at < (int)sizeof bytes - 1) {
        if (*text == '%' && sscanf(text + 1, "%2x", &byte) == 1) {
            bytes[at++] = (char)byte;
            text += 3;
        } else {
            bytes[at++] = *text++;
        }
    }
    bytes[at] = 0;
    return MultiByteToWideChar(CP_UTF8, 0, bytes, -1, wide, VALUE_LIMIT) ? SysAllocString(wide) : NULL;
}

static void read_word(RULE *rule, char *word)
{
    char *value = strchr(word, '=');
    if (!value)
        return;
    *value++ = 0;
    for (int i = 0; i < TEXTS; i++) {
        if (!strcmp(word, text_keys[i])) {
            SysFreeString(rule->texts[i]);
            rule->texts[i] = decode(value);
        }
    }
    for (int i = 0; i < NUMBERS; i++)
        if (!strcmp(word, number_keys[i]))
            rule->numbers[i] = atol(value);
}

/* Tells the host of one property, if it knows the rule. */
static HRESULT tell(RULE *rule, const char *key, const char *value)
{
    if (!*rule->id)
        return S_OK;
    DWORD error = host_ask(NULL, "set %s %s=%s", rule->id, key, value);
    return error ? HRESULT_FROM_WIN32(error) : S_OK;
}

HRESULT add_rule(INetFwRule *self)
{
    RULE *rule = of(self);
    char *words = malloc(REQUEST_LIMIT), value[VALUE_LIMIT], *id;
    int at = 0;
    if (!words)
        return E_OUTOFMEMORY;
    for (int i = 0; i < TEXTS && at < REQUEST_LIMIT; i++)
        at += snprintf(words + at, (size_t)(REQUEST_LIMIT - at), " %s=%s", text_keys[i], encode(rule->texts[i], value));
    for (int i = 0; i < NUMBERS && at < REQUEST_LIMIT; i++)
        at += snprintf(words + at, (size_t)(REQUEST_LIMIT - at), " %s=%ld", number_keys[i], rule->numbers[i]);
    DWORD error = at < REQUEST_LIMIT ? host_ask(&id, "add%s", words) : ERROR_BUFFER_OVERFLOW;
    free(words);
    if (error)
        return HRESULT_FROM_WIN32(error);
    snprintf(rule->id, sizeof rule->id, "%s", id);
    free(id);
    return S_OK;
}

/* ---- IUnknown ---- */

static HRESULT STDMETHODCALLTYPE rule_query(INetFwRule *self, REFIID iid, void **to)
{
    return query(self, iid, &IID_INetFwRule, to);
}

static ULONG STDMETHODCALLTYPE rule_add_ref(INetFwRule *self)
{
    return (ULONG)InterlockedIncrement(&of(self)->references);
}

static ULONG STDMETHODCALLTYPE rule_release(INetFwRule *self)
{
    RULE *rule = of(self);
    LONG left = InterlockedDecrement(&rule->references);
    if (!left) {
        for (int i = 0; i < TEXTS; i++)
            SysFreeString(rule->texts[i]);
        free(rule);
    }
    return (ULONG)left;
}

/* ---- properties ---- */

static HRESULT get_text(INetFwRule *self, int field, BSTR *to)
{
    if (!to)
        return E_POINTER;
    *to = SysAllocString(of(self)->texts[field]);
    return S_OK;
}

/* Whether the real one takes it: ports and ICMP types only after their protocol, no name with a bar. */
static int is_valid(const RULE *rule, int field, const WCHAR *text)
{
    LONG protocol = rule->numbers[PROTOCOL];
    switch (field) {
    case NAME:
        return text && *text && !wcschr(text, '|');
    case LOCAL_PORTS:
    case REMOTE_PORTS:
        return protocol == NET_FW_IP_PROTOCOL_TCP || protocol == NET_FW_IP_PROTOCOL_UDP;
    case ICMP:
        return protocol == 1 || protocol == 58;
    default:
        return 1;
    }
}

static HRESULT put_text(INetFwRule *self, int field, const WCHAR *text)
{
    RULE *rule = of(self);
    char value[VALUE_LIMIT];
    if (!is_valid(rule, field, text))
        return E_INVALIDARG;
    HRESULT result = tell(rule, text_keys[field], encode(text, value));
    if (SUCCEEDED(result)) {
        SysFreeString(rule->texts[field]);
        rule->texts[field] = SysAllocString(text);
    }
    return result;
}

static HRESULT put_number(INetFwRule *self, int field, LONG number)
{
    char value[16];
    snprintf(value, sizeof value, "%ld", number);
    HRESULT result = tell(of(self), number_keys[field], value);
    if (SUCCEEDED(result))
        of(self)->numbers[field] = number;
    return result;
}

#define TEXT_PROPERTY(property, field)                                               \
    static HRESULT STDMETHODCALLTYPE get_##property(INetFwRule *self, BSTR *to)      \
    {                                                                                \
        return get_text(self, field, to);                                            \
    }                                                                                \
    static HRESULT STDMETHODCALLTYPE put_##property(INetFwRule *self, BSTR text)     \
    {                                                                                \
        return put_text(self, field, text);                                          \
    }

#define NUMBER_PROPERTY(property, field, type)                                       \
    static HRESULT STDMETHODCALLTYPE get_##property(INetFwRule *self, type *to)      \
    {                                                                                \
        if (!to)                                                                     \
            return E_POINTER;                                                        \
        *to = (type)of(self)->numbers[field];                                        \
        return S_OK;                                                                 \
    }                                                                                \
    static HRESULT STDMETHODCALLTYPE put_##property(INetFwRule *self, type number)   \
    {                                                                                \
        return put_number(self, field, (LONG)number);                                \
    }

TEXT_PROPERTY(Name, NAME)
TEXT_PROPERTY(Description, DESCRIPTION)
TEXT_PROPERTY(ApplicationName, APPLICATION)
TEXT_PROPERTY(ServiceName, SERVICE)
TEXT_PROPERTY(LocalPorts, LOCAL_PORTS)
TEXT_PROPERTY(RemotePorts, REMOTE_PORTS)
TEXT_PROPERTY(LocalAddresses, LOCAL_ADDRESSES)
TEXT_PROPERTY(RemoteAddresses, REMOTE_ADDRESSES)
TEXT_PROPERTY(IcmpTypesAndCodes, ICMP)
TEXT_PROPERTY(InterfaceTypes, INTERFACE_TYPES)
TEXT_PROPERTY(Grouping, GROUPING)
NUMBER_PROPERTY(Protocol, PROTOCOL, LONG)
NUMBER_PROPERTY(Direction, DIRECTION, NET_FW_RULE_DIRECTION)
NUMBER_PROPERTY(Enabled, ENABLED, VARIANT_BOOL)
NUMBER_PROPERTY(Profiles, PROFILES, LONG)
NUMBER_PROPERTY(EdgeTraversal, EDGE, VARIANT_BOOL)
NUMBER_PROPERTY(Action, ACTION, NET_FW_ACTION)

/* An array of one name; several are not needed here. */
static HRESULT STDMETHODCALLTYPE get_Interfaces(INetFwRule *self, VARIANT *to)
{
    const BSTR name = of(self)->texts[INTERFACES];
    VariantInit(to);
    if (!name || !*name)
        return S_OK;
    SAFEARRAY *names = SafeArrayCreateVector(VT_VARIANT, 0, 1);
    if (!names)
        return E_OUTOFMEMORY;
    VARIANT *first;
    SafeArrayAccessData(names, (void **)&first);
    V_VT(first) = VT_BSTR;
    V_BSTR(first) = SysAllocString(name);
    SafeArrayUnaccessData(names);
    V_VT(to) = VT_ARRAY | VT_VARIANT;
    V_ARRAY(to) = names;
    return S_OK;
}

static HRESULT STDMETHODCALLTYPE put_Interfaces(INetFwRule *self, VARIANT names)
{
    if (V_VT(&names) == VT_EMPTY)
        return put_text(self, INTERFACES, NULL);
    if (V_VT(&names) != (VT_ARRAY | VT_VARIANT) || SafeArrayGetDim(V_ARRAY(&names)) != 1)
        return E_INVALIDARG;
    LONG first, last;
    SafeArrayGetLBound(V_ARRAY(&names), 1, &first);
    SafeArrayGetUBound(V_ARRAY(&names), 1, &last);
    VARIANT name;
    if (first != last || FAILED(SafeArrayGetElement(V_ARRAY(&names), &first, &name)))
        return E_INVALIDARG;
    HRESULT result = V_VT(&name) == VT_BSTR ? put_text(self, INTERFACES, V_BSTR(&name)) : E_INVALIDARG;
    VariantClear(&name);
    return result;
}

#define BOTH(property) .get_##property = get_##property, .put_##property = put_##property

static INetFwRuleVtbl rule_methods = {
    .QueryInterface = rule_query,
    .AddRef = rule_add_ref,
    .Release = rule_release,
    .GetTypeInfoCount = (void *)no_type_info_count,
    .GetTypeInfo = (void *)no_type_info,
    .GetIDsOfNames = (void *)no_ids,
    .Invoke = (void *)no_invoke,
    BOTH(Name), BOTH(Description), BOTH(ApplicationName), BOTH(ServiceName), BOTH(Protocol), BOTH(LocalPorts),
    BOTH(RemotePorts), BOTH(LocalAddresses), BOTH(RemoteAddresses), BOTH(IcmpTypesAndCodes), BOTH(Direction),
    BOTH(Interfaces), BOTH(InterfaceTypes), BOTH(Enabled), BOTH(Grouping), BOTH(Profiles), BOTH(EdgeTraversal),
    BOTH(Action),
};

INetFwRule *new_rule(const char *line)
{
    RULE *rule = calloc(1, sizeof *rule);
    if (!rule)
        return NULL;
    rule->com.lpVtbl = &rule_methods;
    rule->references = 1;
    rule->numbers[PROTOCOL] = ANY_PROTOCOL;
    rule->numbers[DIRECTION] = NET_FW_RULE_DIR_IN;
    rule->numbers[PROFILES] = NET_FW_PROFILE2_ALL;
    rule->numbers[ACTION] = NET_FW_ACTION_ALLOW;
    rule->texts[INTERFACE_TYPES] = SysAllocString(L"All");
    rule->texts[LOCAL_ADDRESSES] = SysAllocString(L"*");
    rule->texts[REMOTE_ADDRESSES] = SysAllocString(L"*");
    char *words = line ? strdup(line) : NULL, *next;
    if (words) {
        char *word = strtok_s(words, " ", &next);
        snprintf(rule->id, sizeof rule->id, "%s", word ? word : "");
        while ((word = strtok_s(NULL, " ", &next)))
            read_word(rule, word);
        free(words);
    }
    return &rule->com;
}

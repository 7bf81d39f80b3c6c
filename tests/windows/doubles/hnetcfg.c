/* The door to the objects: class factories, and INetFwPolicy2. Objects are never freed: there are few. */
#define INITGUID
#include "hnetcfg.h"

const char *const double_name = "hnetcfg";
const char *const faults_variable = "FAKE_HNETCFG_FAIL";

/* Of objects that stay. */
static ULONG STDMETHODCALLTYPE stays(void *self)
{
    (void)self;
    return 1;
}

HRESULT STDMETHODCALLTYPE no_type_info_count(void *self, UINT *count)
{
    (void)self;
    *count = 0;
    return S_OK;
}

HRESULT STDMETHODCALLTYPE no_type_info(void *self, UINT index, LCID locale, ITypeInfo **info)
{
    (void)self, (void)index, (void)locale, (void)info;
    return E_NOTIMPL;
}

HRESULT STDMETHODCALLTYPE no_ids(void *self, REFIID iid, LPOLESTR *names, UINT count, LCID locale, DISPID *ids)
{
    (void)self, (void)iid, (void)names, (void)count, (void)locale, (void)ids;
    return E_NOTIMPL;
}

HRESULT STDMETHODCALLTYPE no_invoke(void *self, DISPID id, REFIID iid, LCID locale, WORD flags, DISPPARAMS *parameters,
                                    VARIANT *result, EXCEPINFO *exception, UINT *argument)
{
    (void)self, (void)id, (void)iid, (void)locale, (void)flags, (void)parameters, (void)result, (void)exception,
        (void)argument;
    return E_NOTIMPL;
}

HRESULT query(void *self, REFIID wanted, REFIID own, void **to)
{
    if (IsEqualIID(wanted, own) || IsEqualIID(wanted, &IID_IDispatch) || IsEqualIID(wanted, &IID_IUnknown)) {
        IUnknown_AddRef((IUnknown *)self);
        *to = self;
        return S_OK;
    }
    *to = NULL;
    return E_NOINTERFACE;
}

/* ---- INetFwPolicy2: every profile has the firewall on, as it comes ---- */

static HRESULT STDMETHODCALLTYPE policy_query(INetFwPolicy2 *self, REFIID iid, void **to)
{
    return query(self, iid, &IID_INetFwPolicy2, to);
}

static HRESULT STDMETHODCALLTYPE policy_profiles(INetFwPolicy2 *self, LONG *profiles)
{
    (void)self;
    *profiles = NET_FW_PROFILE2_PUBLIC;
    return S_OK;
}

static HRESULT STDMETHODCALLTYPE policy_enabled(INetFwPolicy2 *self, NET_FW_PROFILE_TYPE2 profile, VARIANT_BOOL *enabled)
{
    (void)self, (void)profile;
    *enabled = VARIANT_TRUE;
    return S_OK;
}

static HRESULT STDMETHODCALLTYPE policy_is_not(INetFwPolicy2 *self, NET_FW_PROFILE_TYPE2 profile, VARIANT_BOOL *is)
{
    (void)self, (void)profile;
    *is = VARIANT_FALSE;
    return S_OK;
}

static HRESULT STDMETHODCALLTYPE policy_inbound(INetFwPolicy2 *self, NET_FW_PROFILE_TYPE2 profile, NET_FW_ACTION *action)
{
    (void)self, (void)profile;
    *action = NET_FW_ACTION_BLOCK;
    return S_OK;
}

static HRESULT STDMETHODCALLTYPE policy_outbound(INetFwPolicy2 *self, NET_FW_PROFILE_TYPE2 profile, NET_FW_ACTION *action)
{
    (void)self, (void)profile;
    *action = NET_FW_ACTION_ALLOW;
    return S_OK;
}

static HRESULT STDMETHODCALLTYPE policy_modify_state(INetFwPolicy2 *self, NET_FW_MODIFY_STATE *state)
{
    (void)self;
    *state = NET_FW_MODIFY_STATE_OK;
    return S_OK;
}

static HRESULT STDMETHODCALLTYPE policy_rules(INetFwPolicy2 *self, INetFwRules **to)
{
    (void)self;
    MAY_FAIL("get_Rules");
    *to = rules();
    return S_OK;
}

/* What takes the place of a method that a tunnel's client has no business with: it takes any arguments. */
static HRESULT STDMETHODCALLTYPE policy_refuses(INetFwPolicy2 *self)
{
    (void)self;
    return E_NOTIMPL;
}

static INetFwPolicy2Vtbl policy_methods = {
    .QueryInterface = policy_query,
    .AddRef = (void *)stays,
    .Release = (void *)stays,
    .GetTypeInfoCount = (void *)no_type_info_count,
    .GetTypeInfo = (void *)no_type_info,
    .GetIDsOfNames = (void *)no_ids,
    .Invoke = (void *)no_invoke,
    .get_CurrentProfileTypes = policy_profiles,
    .get_FirewallEnabled = policy_enabled,
    .put_FirewallEnabled = (void *)policy_refuses,
    .get_ExcludedInterfaces = (void *)policy_refuses,
    .put_ExcludedInterfaces = (void *)policy_refuses,
    .get_BlockAllInboundTraffic = policy_is_not,
    .put_BlockAllInboundTraffic = (void *)policy_refuses,
    .get_NotificationsDisabled = policy_is_not,
    .put_NotificationsDisabled = (void *)policy_refuses,
    .get_UnicastResponsesToMulticastBroadcastDisabled = policy_is_not,
    .put_UnicastResponsesToMulticastBroadcastDisabled = (void *)policy_refuses,
    .get_Rules = policy_rules,
    .get_ServiceRestriction = (void *)policy_refuses,
    .EnableRuleGroup = (void *)policy_refuses,
    .IsRuleGroupEnabled = (void *)policy_refuses,
    .RestoreLocalFirewallDefaults = policy_refuses,
    .get_DefaultInboundAction = policy_inbound,
    .put_DefaultInboundAction = (void *)policy_refuses,
    .get_DefaultOutboundAction = policy_outbound,
    .put_DefaultOutboundAction = (void *)policy_refuses,
    .get_IsRuleGroupCurrentlyEnabled = (void *)policy_refuses,
    .get_LocalPolicyModifyState = policy_modify_state,
};
static INetFwPolicy2 policy = {&policy_methods};

/* ---- class factories ---- */

static HRESULT STDMETHODCALLTYPE factory_query(IClassFactory *self, REFIID iid, void **to)
{
    if (!IsEqualIID(iid, &IID_IClassFactory) && !IsEqualIID(iid, &IID_IUnknown)) {
        *to = NULL;
        return E_NOINTERFACE;
    }
    *to = self;
    return S_OK;
}

static HRESULT STDMETHODCALLTYPE factory_lock(IClassFactory *self, BOOL lock)
{
    (void)self, (void)lock;
    return S_OK;
}

static HRESULT STDMETHODCALLTYPE make_policy(IClassFactory *self, IUnknown *outer, REFIID iid, void **to)
{
    (void)self;
    MAY_FAIL("CreateInstance");
    return outer ? CLASS_E_NOAGGREGATION : policy_query(&policy, iid, to);
}

static HRESULT STDMETHODCALLTYPE make_rule(IClassFactory *self, IUnknown *outer, REFIID iid, void **to)
{
    (void)self;
    MAY_FAIL("CreateInstance");
    INetFwRule *rule = outer ? NULL : new_rule(NULL);
    if (!rule)
        return outer ? CLASS_E_NOAGGREGATION : E_OUTOFMEMORY;
    HRESULT result = INetFwRule_QueryInterface(rule, iid, to);
    INetFwRule_Release(rule);
    return result;
}

static IClassFactoryVtbl policies = {factory_query, (void *)stays, (void *)stays, make_policy, factory_lock};
static IClassFactoryVtbl single_rules = {factory_query, (void *)stays, (void *)stays, make_rule, factory_lock};
static IClassFactory policy_factory = {&policies}, rule_factory = {&single_rules};

HRESULT WINAPI DllGetClassObject(REFCLSID class, REFIID iid, void **to)
{
    if (IsEqualCLSID(class, &CLSID_NetFwPolicy2))
        return factory_query(&policy_factory, iid, to);
    if (IsEqualCLSID(class, &CLSID_NetFwRule))
        return factory_query(&rule_factory, iid, to);
    *to = NULL;
    return CLASS_E_CLASSNOTAVAILABLE;
}

HRESULT WINAPI DllCanUnloadNow(void)
{
    return S_FALSE;
}

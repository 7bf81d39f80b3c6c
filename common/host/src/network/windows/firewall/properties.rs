//! The properties of an `INetFwRule`.

#![expect(unsafe_code, reason = "COM has no safe wrapper")]

use windows::Win32::NetworkManagement::WindowsFirewall::INetFwRule;
use windows::Win32::System::Variant::VT_EMPTY;
use windows::core::{BSTR, Result};

use super::{action, direction};
use crate::network::windows_firewall::properties::{RuleProperties, is_unlimited};

macro_rules! get {
    ($rule:ident.$property:ident) => {
        // SAFETY: a getter without arguments.
        unsafe { $rule.$property() }
    };
}

macro_rules! put {
    ($rule:ident.$property:ident($value:expr)) => {
        // SAFETY: a setter, whose argument lives as long as the call.
        unsafe { $rule.$property($value) }
    };
}

pub(super) fn read(rule: &INetFwRule) -> Result<RuleProperties> {
    Ok(RuleProperties {
        name: get!(rule.Name)?.to_string(),
        description: get!(rule.Description)?.to_string(),
        grouping: get!(rule.Grouping)?.to_string(),
        protocol: get!(rule.Protocol)?,
        local_ports: get!(rule.LocalPorts).unwrap_or_default().to_string(),
        icmp_types_and_codes: get!(rule.IcmpTypesAndCodes).unwrap_or_default().to_string(),
        local_addresses: get!(rule.LocalAddresses)?.to_string(),
        direction: get!(rule.Direction)?.0,
        action: get!(rule.Action)?.0,
        profiles: get!(rule.Profiles)?,
        is_enabled: get!(rule.Enabled)?.as_bool(),
        has_edge_traversal: get!(rule.EdgeTraversal).is_ok_and(|has| has.as_bool()),
        is_limited: is_limited(rule),
    })
}

/// What a rule has none of can be unreadable, too: then it is no limit.
fn is_limited(rule: &INetFwRule) -> bool {
    let is_set = |text: Result<BSTR>| text.is_ok_and(|text| !is_unlimited(&text.to_string()));
    let interfaces = get!(rule.Interfaces);
    is_set(get!(rule.ApplicationName))
        || is_set(get!(rule.ServiceName))
        || is_set(get!(rule.RemoteAddresses))
        || is_set(get!(rule.RemotePorts))
        || is_set(get!(rule.InterfaceTypes))
        || interfaces.is_ok_and(|interfaces| interfaces.vt() != VT_EMPTY)
}

pub(super) fn write(rule: &INetFwRule, properties: &RuleProperties) -> Result<()> {
    let RuleProperties { name, description, grouping, local_ports, icmp_types_and_codes, .. } = properties;
    put!(rule.SetName(&BSTR::from(name)))?;
    put!(rule.SetDescription(&BSTR::from(description)))?;
    put!(rule.SetGrouping(&BSTR::from(grouping)))?;
    // Before what only some protocols have.
    put!(rule.SetProtocol(properties.protocol))?;
    if !local_ports.is_empty() {
        put!(rule.SetLocalPorts(&BSTR::from(local_ports)))?;
    }
    if !icmp_types_and_codes.is_empty() {
        put!(rule.SetIcmpTypesAndCodes(&BSTR::from(icmp_types_and_codes)))?;
    }
    put!(rule.SetLocalAddresses(&BSTR::from(&properties.local_addresses)))?;
    put!(rule.SetDirection(direction(properties.direction)))?;
    put!(rule.SetProfiles(properties.profiles))?;
    put!(rule.SetEdgeTraversal(properties.has_edge_traversal.into()))?;
    put!(rule.SetAction(action(properties.action)))?;
    put!(rule.SetEnabled(properties.is_enabled.into()))
}

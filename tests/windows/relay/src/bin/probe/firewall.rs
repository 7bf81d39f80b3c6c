//! The firewall, by its COM objects.

use windows::Win32::Foundation::VARIANT_TRUE;
use windows::Win32::NetworkManagement::WindowsFirewall::{
    INetFwPolicy2, INetFwRule, INetFwRules, NET_FW_ACTION, NET_FW_RULE_DIR_IN, NetFwPolicy2, NetFwRule,
};
use windows::Win32::System::Com::{
    CLSCTX_INPROC_SERVER, COINIT_MULTITHREADED, CoCreateInstance, CoInitializeEx, IDispatch,
};
use windows::Win32::System::Ole::IEnumVARIANT;
use windows::Win32::System::Variant::VARIANT;
use windows::core::{BSTR, Error, Interface as _, Result};

const ICMPV6: i32 = 58;

/// Adds the rule that `NAME,ACTION,PROTOCOL,ADDRESS,WHAT` describes.
pub(crate) fn add(argument: &str) -> String {
    say(try_add(argument).map(|()| String::new()))
}

/// Removes a rule.
pub(crate) fn remove(name: &str) -> String {
    // SAFETY: the arguments are valid.
    say(rules().and_then(|rules| unsafe { rules.Remove(&BSTR::from(name)) }).map(|()| String::new()))
}

/// Asks for a rule, and tells its addresses.
pub(crate) fn item(name: &str) -> String {
    // SAFETY: the arguments are valid.
    let found = rules().and_then(|rules| unsafe { rules.Item(&BSTR::from(name)) });
    // SAFETY: the rule is there.
    say(found.and_then(|rule| unsafe { rule.LocalAddresses() }).map(|addresses| addresses.to_string()))
}

/// The names of all rules.
pub(crate) fn names() -> String {
    say(try_names().map(|names| names.join("+")))
}

fn say(outcome: Result<String>) -> String {
    match outcome {
        Ok(text) => format!("0 {text}").trim_end().to_owned(),
        Err(error) => format!("{:#x}", error.code().0),
    }
}

fn rules() -> Result<INetFwRules> {
    // SAFETY: no argument is needed. It may have been done before.
    let _ = unsafe { CoInitializeEx(None, COINIT_MULTITHREADED) };
    // SAFETY: the class makes the interface.
    let policy: INetFwPolicy2 = unsafe { CoCreateInstance(&NetFwPolicy2, None, CLSCTX_INPROC_SERVER)? };
    // SAFETY: the object is there.
    unsafe { policy.Rules() }
}

fn try_add(argument: &str) -> Result<()> {
    let words: Vec<&str> = argument.splitn(5, ',').collect();
    let [name, action, protocol, address, what] = words[..] else { return Err(Error::empty()) };
    let (action, protocol) = (action.parse().unwrap_or_default(), protocol.parse().unwrap_or_default());
    let rules = rules()?;
    // SAFETY: the class makes the interface, and the arguments of all calls are valid.
    unsafe {
        let rule: INetFwRule = CoCreateInstance(&NetFwRule, None, CLSCTX_INPROC_SERVER)?;
        rule.SetName(&BSTR::from(name))?;
        rule.SetGrouping(&BSTR::from("probe"))?;
        rule.SetProtocol(protocol)?;
        match (protocol, what) {
            (_, "") => {}
            (ICMPV6, types) => rule.SetIcmpTypesAndCodes(&BSTR::from(types))?,
            (_, ports) => rule.SetLocalPorts(&BSTR::from(ports))?,
        }
        rule.SetLocalAddresses(&BSTR::from(address))?;
        rule.SetDirection(NET_FW_RULE_DIR_IN)?;
        rule.SetAction(NET_FW_ACTION(action))?;
        rule.SetEnabled(VARIANT_TRUE)?;
        rules.Add(&rule)
    }
}

fn try_names() -> Result<Vec<String>> {
    let rules = rules()?;
    // SAFETY: the object is there.
    let all: IEnumVARIANT = unsafe { rules._NewEnum()? }.cast()?;
    let mut names = Vec::new();
    loop {
        let (mut next, mut fetched) = ([VARIANT::default()], 0);
        // SAFETY: there is room for one.
        let outcome = unsafe { all.Next(&mut next, &mut fetched) };
        if outcome.is_err() || fetched == 0 {
            return Ok(names);
        }
        let rule: INetFwRule = IDispatch::try_from(&next[0])?.cast()?;
        // SAFETY: the rule is there.
        names.push(unsafe { rule.Name()? }.to_string());
    }
}

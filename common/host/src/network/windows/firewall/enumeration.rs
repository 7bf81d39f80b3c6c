//! All rules, to find those of v6tun's.

#![expect(unsafe_code, reason = "COM has no safe wrapper")]

use std::collections::BTreeSet;
use std::io;
use std::slice;

use windows::Win32::Foundation::S_OK;
use windows::Win32::NetworkManagement::WindowsFirewall::{INetFwRule, INetFwRules};
use windows::Win32::System::Com::IDispatch;
use windows::Win32::System::Ole::IEnumVARIANT;
use windows::Win32::System::Variant::{VARIANT, VT_DISPATCH};
use windows::core::Interface;

use super::cause;
use crate::network::windows_firewall::properties::{GROUPING, is_own_name};

/// Rules that are looked through at the most: a hundred times as many as Windows has by itself.
const MAX_RULES: usize = 65_536;

/// The names of all rules that are v6tun's by grouping and name.
pub(super) fn own_names(rules: &INetFwRules) -> io::Result<BTreeSet<String>> {
    // SAFETY: a getter without arguments.
    let unknown = unsafe { rules._NewEnum() }.map_err(cause)?;
    let all: IEnumVARIANT = unknown.cast().map_err(cause)?;
    let mut names = BTreeSet::new();
    for _ in 0..MAX_RULES {
        let Some(element) = next(&all) else { break };
        names.extend(as_rule(&element).and_then(|rule| own_name(&rule)));
    }
    Ok(names)
}

fn next(all: &IEnumVARIANT) -> Option<VARIANT> {
    let (mut element, mut fetched) = (VARIANT::default(), 0);
    // SAFETY: there is room for the one element that is asked for, and for the number of those that came.
    let outcome = unsafe { all.Next(slice::from_mut(&mut element), &mut fetched) };
    (outcome == S_OK && fetched == 1).then_some(element)
}

fn as_rule(element: &VARIANT) -> Option<INetFwRule> {
    dispatch(element)?.cast().ok()
}

/// The object in it, if it has one.
fn dispatch(element: &VARIANT) -> Option<&IDispatch> {
    // SAFETY: every kind of VARIANT begins with its kind.
    let content = unsafe { &element.Anonymous.Anonymous };
    if content.vt != VT_DISPATCH {
        return None;
    }
    // SAFETY: of this kind the content is an object or null.
    let object = unsafe { &content.Anonymous.pdispVal };
    object.as_ref()
}

fn own_name(rule: &INetFwRule) -> Option<String> {
    // SAFETY: a getter without arguments.
    let grouping = unsafe { rule.Grouping() }.ok()?;
    if grouping != GROUPING {
        return None;
    }
    // SAFETY: a getter without arguments.
    let name = unsafe { rule.Name() }.ok()?.to_string();
    is_own_name(&name).then_some(name)
}

//! Linux's `ip`, run in the namespace of this program.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;

use serde_json::Value;

use crate::windows_error::WindowsError;

/// A family as the doubles write it: 4, 6, or 0 for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Family {
    V4,
    V6,
}

impl Family {
    pub(crate) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The families that the word of a request names.
    pub(crate) fn of_word(word: &str) -> Result<&'static [Self], WindowsError> {
        match word {
            "0" => Ok(&Self::BOTH),
            "4" => Ok(&Self::BOTH[..1]),
            "6" => Ok(&Self::BOTH[1..]),
            _ => Err(WindowsError::INVALID_PARAMETER),
        }
    }

    /// The one family that the word of a request names.
    pub(crate) fn one(word: &str) -> Result<Self, WindowsError> {
        match Self::of_word(word)? {
            [one] => Ok(*one),
            _ => Err(WindowsError::INVALID_PARAMETER),
        }
    }

    pub(crate) fn of_address(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    pub(crate) fn digit(self) -> char {
        match self {
            Self::V4 => '4',
            Self::V6 => '6',
        }
    }

    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::V4 => "-4",
            Self::V6 => "-6",
        }
    }

    pub(crate) fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::from([0; 4]),
            Self::V6 => IpAddr::from([0; 16]),
        }
    }
}

/// Runs `ip` with the words of `arguments`, and says so on standard error, as what the host did is what a test that
/// failed is asked about.
pub(crate) fn change(arguments: &str) -> Result<(), WindowsError> {
    let output = Command::new("ip")
        .args(arguments.split_whitespace())
        .output()
        .map_err(|_| WindowsError::GEN_FAILURE)?;
    let said = String::from_utf8_lossy(&output.stderr);
    eprintln!("ip {arguments}{}{}", if said.is_empty() { "" } else { ": " }, said.trim());
    if output.status.success() { Ok(()) } else { Err(error_of(&said)) }
}

/// What Windows calls what `ip` says.
fn error_of(said: &str) -> WindowsError {
    let errors = [
        ("File exists", WindowsError::OBJECT_ALREADY_EXISTS),
        ("already assigned", WindowsError::OBJECT_ALREADY_EXISTS),
        ("Cannot assign", WindowsError::NOT_FOUND),
        ("Address not found", WindowsError::NOT_FOUND),
        ("No such process", WindowsError::NOT_FOUND),
        ("Cannot find device", WindowsError::NOT_FOUND),
        ("No such device", WindowsError::NOT_FOUND),
        ("unreachable", WindowsError::NETWORK_UNREACHABLE),
    ];
    let known = errors.iter().find(|(text, _)| said.contains(text));
    known.map_or(WindowsError::INVALID_PARAMETER, |(_, error)| *error)
}

/// Runs `ip -j`, and returns the elements of its answer; none if it failed.
pub(crate) fn query(arguments: &str) -> Vec<Value> {
    let output = Command::new("ip").arg("-j").args(arguments.split_whitespace()).output();
    let listed = output.ok().and_then(|output| serde_json::from_slice(&output.stdout).ok());
    // Sometimes there is an empty object among them.
    let elements = match listed {
        Some(Value::Array(elements)) => elements,
        _ => Vec::new(),
    };
    elements
        .into_iter()
        .filter(|element| element.as_object().is_some_and(|object| !object.is_empty()))
        .collect()
}

/// An interface as `ip link` tells it.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub(crate) name: String,
    pub(crate) mtu: u64,
    pub(crate) is_connected: bool,
}

/// All interfaces, by their index.
pub(crate) fn links() -> BTreeMap<u64, Link> {
    let link = |element: &Value| {
        let flags = element["flags"].as_array()?;
        let link = Link {
            name: element["ifname"].as_str()?.to_owned(),
            mtu: element["mtu"].as_u64()?,
            is_connected: flags.iter().any(|flag| flag == "LOWER_UP"),
        };
        Some((element["ifindex"].as_u64()?, link))
    };
    query("link show").iter().filter_map(link).collect()
}

/// The name of an interface.
pub(crate) fn name_of(index: u64) -> Result<String, WindowsError> {
    links().remove(&index).map(|link| link.name).ok_or(WindowsError::NOT_FOUND)
}

/// Reads `address/length`, an address alone, or `default`.
pub(crate) fn read_prefix(text: &str, family: Family) -> Option<(IpAddr, u8)> {
    if text == "default" {
        return Some((family.unspecified(), 0));
    }
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    Some((address, length.unwrap_or(if address.is_ipv4() { 32 } else { 128 })))
}

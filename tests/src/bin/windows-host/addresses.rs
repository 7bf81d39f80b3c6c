//! The addresses of interfaces.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde_json::Value;

use crate::ip::{self, Family};
use crate::windows_error::{Answer, WindowsError, parsed, word};

/// `IpDadState…` of `nldef.h`.
const TENTATIVE: u8 = 1;
const DUPLICATE: u8 = 2;
const DEPRECATED: u8 = 3;
const PREFERRED: u8 = 4;

/// `add|set|delete INDEX ADDRESS LENGTH SKIPPED-AS-SOURCE`
pub(crate) fn change<'a>(words: &mut impl Iterator<Item = &'a str>) -> Answer {
    let how = word(words)?;
    let (index, address, length) = (parsed(words)?, parsed::<IpAddr>(words)?, parsed::<u8>(words)?);
    let is_skipped = word(words)? != "0";
    let family = Family::of_address(address);
    let present = rows(family).into_iter().find(|row| row.index == index && row.address == address);
    let name = ip::name_of(index)?;
    match (how, present) {
        ("add", Some(_)) => return Err(WindowsError::OBJECT_ALREADY_EXISTS),
        ("set" | "delete", None) => return Err(WindowsError::NOT_FOUND),
        // Windows asks for no length here; Linux does.
        ("delete", Some(row)) => ip::change(&format!("address del {address}/{} dev {name}", row.length))?,
        ("add" | "set", present) => {
            if let Some(row) = present.filter(|row| row.length != length) {
                ip::change(&format!("address del {address}/{} dev {name}", row.length))?;
            }
            // What Windows does not choose as a source Linux calls deprecated.
            let lifetime = if is_skipped { " preferred_lft 0" } else { "" };
            let probing = if family == Family::V6 { " nodad" } else { "" };
            ip::change(&format!("address replace {address}/{length} dev {name}{probing}{lifetime}"))?;
        }
        _ => return Err(WindowsError::INVALID_PARAMETER),
    }
    Ok(String::new())
}

/// `FAMILY`: a line for each address.
pub(crate) fn list<'a>(words: &mut impl Iterator<Item = &'a str>) -> Answer {
    let mut text = String::new();
    for row in Family::of_word(word(words)?)?.iter().flat_map(|family| rows(*family)) {
        let Row { index, address, length, state, valid, preferred } = row;
        let is_skipped = u8::from(state == DEPRECATED);
        let _ = writeln!(text, "{index} {address} {length} {is_skipped} {state} {valid} {preferred}");
    }
    Ok(text)
}

struct Row {
    index: u64,
    address: IpAddr,
    length: u8,
    state: u8,
    valid: u64,
    preferred: u64,
}

fn rows(family: Family) -> Vec<Row> {
    let links = ip::query(&format!("{} address show", family.option()));
    let of_link = |link: &Value| {
        let index = link["ifindex"].as_u64()?;
        let addresses = link["addr_info"].as_array()?;
        Some(addresses.iter().filter_map(move |address| row(index, address)).collect::<Vec<_>>())
    };
    links.iter().filter_map(of_link).flatten().collect()
}

fn row(index: u64, address: &Value) -> Option<Row> {
    let is = |flag: &str| address[flag] == true;
    let state = match () {
        () if is("dadfailed") => DUPLICATE,
        () if is("tentative") => TENTATIVE,
        () if is("deprecated") => DEPRECATED,
        () => PREFERRED,
    };
    Some(Row {
        index,
        address: address["local"].as_str()?.parse().ok()?,
        length: u8::try_from(address["prefixlen"].as_u64()?).ok()?,
        state,
        valid: address["valid_life_time"].as_u64()?,
        preferred: address["preferred_life_time"].as_u64()?,
    })
}

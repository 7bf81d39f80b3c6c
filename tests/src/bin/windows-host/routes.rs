//! Routes. On Windows a route has a metric and its interface has one, and the sums are compared: Linux has the sum.

use std::fmt::Write as _;
use std::net::IpAddr;

use serde_json::Value;

use crate::ip::{self, Family};
use crate::pc::{Pc, lock};
use crate::windows_error::{Answer, WindowsError, parsed, word};

/// `MIB_IPPROTO_LOCAL`, `MIB_IPPROTO_NETMGMT` of `ipmib.h`.
const LOCAL: u8 = 2;
const BY_MANAGEMENT: u8 = 3;

/// What tells routes apart on Windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    index: u64,
    destination: (IpAddr, u8),
    next_hop: IpAddr,
}

impl Key {
    fn family(&self) -> Family {
        Family::of_address(self.next_hop)
    }

    /// The words by which `ip` knows it.
    fn words(&self, total: u64) -> Result<String, WindowsError> {
        let (Self { destination: (address, length), next_hop, .. }, name) = (self, ip::name_of(self.index)?);
        let via = if next_hop.is_unspecified() { String::new() } else { format!(" via {next_hop}") };
        Ok(format!("{address}/{length}{via} dev {name} metric {total}"))
    }
}

/// A route of a Windows program: its metric follows that of its interface.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) index: u64,
    key: Key,
    metric: u64,
}

/// What Linux compares; it takes 0 for a number of its own.
fn total(interface: u64, route: u64) -> u64 {
    (interface + route).max(1)
}

/// `add|set|delete INDEX DESTINATION LENGTH NEXT-HOP METRIC`
pub(crate) fn change<'a>(pc: &Pc, words: &mut impl Iterator<Item = &'a str>) -> Answer {
    let how = word(words)?;
    let key = Key {
        index: parsed(words)?,
        destination: (parsed(words)?, parsed(words)?),
        next_hop: parsed(words)?,
    };
    let metric: u64 = parsed(words)?;
    let present = rows(key.family()).into_iter().find(|row| row.key == key);
    let option = key.family().option();
    let new = total(pc.metric(key.index, key.family()), metric);
    match (how, &present) {
        ("add", Some(_)) => return Err(WindowsError::OBJECT_ALREADY_EXISTS),
        ("set" | "delete", None) => return Err(WindowsError::NOT_FOUND),
        ("add" | "set", _) => {
            if present.as_ref().is_none_or(|row| row.total != new) {
                ip::change(&format!("{option} route add {}", key.words(new)?))?;
            }
        }
        ("delete", Some(_)) => {}
        _ => return Err(WindowsError::INVALID_PARAMETER),
    }
    if let Some(row) = present.filter(|row| how == "delete" || row.total != new) {
        ip::change(&format!("{option} route del {}", key.words(row.total)?))?;
    }
    let mut made = lock(&pc.routes);
    made.retain(|made| made.key != key);
    if how != "delete" {
        made.push(Made { index: key.index, key, metric });
    }
    Ok(String::new())
}

/// Gives the routes of an interface, whose metric was `before`, the sums that they have with its new one.
pub(crate) fn follow_interface(pc: &Pc, index: u64, family: Family, before: u64) -> Result<(), WindowsError> {
    let now = pc.metric(index, family);
    let made = lock(&pc.routes).clone();
    for route in made.iter().filter(|route| route.index == index && route.key.family() == family) {
        let (old, new) = (total(before, route.metric), total(now, route.metric));
        if old != new {
            // First the new one: there is no moment without any.
            ip::change(&format!("{} route add {}", family.option(), route.key.words(new)?))?;
            ip::change(&format!("{} route del {}", family.option(), route.key.words(old)?))?;
        }
    }
    Ok(())
}

/// `FAMILY`: a line for each route.
pub(crate) fn list<'a>(pc: &Pc, words: &mut impl Iterator<Item = &'a str>) -> Answer {
    let rows = Family::of_word(word(words)?)?.iter().flat_map(|family| rows(*family));
    Ok(rows.fold(String::new(), |mut text, row| {
        let _ = writeln!(text, "{}", line(pc, &row));
        text
    }))
}

/// `DESTINATION INDEX`, where the index is 0 for any interface: the best route's line, and the source address.
pub(crate) fn best<'a>(pc: &Pc, words: &mut impl Iterator<Item = &'a str>) -> Answer {
    let (destination, index) = (parsed::<IpAddr>(words)?, parsed(words)?);
    let family = Family::of_address(destination);
    let out = if index == 0 { String::new() } else { format!(" oif {}", ip::name_of(index)?) };
    let get = |how: &str| {
        let found = ip::query(&format!("{} route get {how}{destination}{out}", family.option()));
        found.into_iter().next().ok_or(WindowsError::NETWORK_UNREACHABLE)
    };
    let source = get("")?["prefsrc"].as_str().map(str::to_owned).ok_or(WindowsError::NETWORK_UNREACHABLE)?;
    let row = row(&get("fibmatch ")?, family, &indices()).ok_or(WindowsError::NETWORK_UNREACHABLE)?;
    Ok(format!("{} {source}", line(pc, &row)))
}

fn line(pc: &Pc, row: &Row) -> String {
    let Key { index, destination: (address, length), next_hop } = row.key;
    let metric = row.total.saturating_sub(pc.metric(index, row.key.family()));
    format!("{index} {address} {length} {next_hop} {metric} {}", row.protocol)
}

struct Row {
    key: Key,
    total: u64,
    protocol: u8,
}

fn rows(family: Family) -> Vec<Row> {
    let indices = indices();
    let listed = ip::query(&format!("{} route show table main", family.option()));
    listed.iter().filter_map(|route| row(route, family, &indices)).collect()
}

/// The names of interfaces with their indices.
fn indices() -> Vec<(String, u64)> {
    ip::links().into_iter().map(|(index, link)| (link.name, index)).collect()
}

fn row(route: &Value, family: Family, indices: &[(String, u64)]) -> Option<Row> {
    let device = route["dev"].as_str()?;
    let (_, index) = indices.iter().find(|(name, _)| name == device)?;
    let next_hop = match route["gateway"].as_str() {
        Some(gateway) => gateway.parse().ok()?,
        None => family.unspecified(),
    };
    let key = Key { index: *index, destination: ip::read_prefix(route["dst"].as_str()?, family)?, next_hop };
    let protocol = if route["protocol"] == "kernel" { LOCAL } else { BY_MANAGEMENT };
    Some(Row { key, total: route["metric"].as_u64().unwrap_or(0), protocol })
}

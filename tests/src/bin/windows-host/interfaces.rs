//! What interfaces have besides addresses: MTU and metric for each family, GUID, name servers.

use std::fmt::Write as _;

use crate::ip::{self, Family, Link};
use crate::pc::{Pc, lock};
use crate::routes;
use crate::windows_error::{Answer, WindowsError, parsed, word};

/// What Windows gives by itself to an adapter of wintun, as fast as that claims to be, and to any other card.
const METRIC_OF_AN_ADAPTER: u64 = 5;
const METRIC_OF_A_CARD: u64 = 25;

/// What was set.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    /// IPv4's; that of IPv6 is the link's.
    mtu: Option<u64>,
    /// `None`: Windows finds one by itself.
    metric: Option<u64>,
}

impl Pc {
    /// What is added to the metric of each route through the interface.
    pub(crate) fn metric(&self, index: u64, family: Family) -> u64 {
        let set = lock(&self.settings).get(&(index, family)).and_then(|settings| settings.metric);
        set.unwrap_or_else(|| {
            let is_adapter = lock(&self.adapters).values().any(|adapter| adapter.index == index);
            if is_adapter { METRIC_OF_AN_ADAPTER } else { METRIC_OF_A_CARD }
        })
    }

    fn settings(&self, index: u64, family: Family) -> Settings {
        lock(&self.settings).get(&(index, family)).cloned().unwrap_or_default()
    }
}

/// `FAMILY`: a line for each interface and family.
pub(crate) fn list<'a>(pc: &Pc, words: &mut impl Iterator<Item = &'a str>) -> Answer {
    let mut text = String::new();
    for family in Family::of_word(word(words)?)? {
        for (index, link) in ip::links() {
            let _ = writeln!(text, "{}", line(pc, index, *family, &link));
        }
    }
    Ok(text)
}

/// `FAMILY INDEX`: its line.
pub(crate) fn one<'a>(pc: &Pc, words: &mut impl Iterator<Item = &'a str>) -> Answer {
    let (family, index) = (Family::one(word(words)?)?, parsed(words)?);
    let link = ip::links().remove(&index).ok_or(WindowsError::NOT_FOUND)?;
    Ok(line(pc, index, family, &link))
}

fn line(pc: &Pc, index: u64, family: Family, link: &Link) -> String {
    let settings = pc.settings(index, family);
    let (mtu, metric) = (settings.mtu.unwrap_or(link.mtu), pc.metric(index, family));
    let (automatic, connected) = (u8::from(settings.metric.is_none()), u8::from(link.is_connected));
    format!("{} {index} {mtu} {automatic} {metric} {connected}", family.digit())
}

/// `FAMILY INDEX MTU AUTOMATIC METRIC`, where MTU and METRIC may be `-`.
pub(crate) fn set<'a>(pc: &Pc, words: &mut impl Iterator<Item = &'a str>) -> Answer {
    let (family, index) = (Family::one(word(words)?)?, parsed(words)?);
    let (mtu, is_automatic, metric) = (number(word(words)?)?, word(words)? != "0", number(word(words)?)?);
    let link = ip::links().remove(&index).ok_or(WindowsError::NOT_FOUND)?;
    let mut settings = pc.settings(index, family);
    match (mtu, family) {
        (Some(mtu), Family::V6) if mtu < 1280 => return Err(WindowsError::INVALID_PARAMETER),
        (Some(mtu), Family::V6) if mtu != link.mtu => {
            ip::change(&format!("link set dev {} mtu {mtu}", link.name))?;
        }
        (Some(mtu), Family::V4) if mtu != link.mtu => settings.mtu = Some(mtu),
        _ => {}
    }
    let before = pc.metric(index, family);
    settings.metric = match (is_automatic, metric) {
        (true, _) => None,
        (false, Some(metric)) => Some(metric),
        (false, None) => Some(before),
    };
    lock(&pc.settings).insert((index, family), settings);
    routes::follow_interface(pc, index, family, before)?;
    Ok(String::new())
}

fn number(word: &str) -> Result<Option<u64>, WindowsError> {
    match word {
        "-" => Ok(None),
        number => number.parse().map(Some).map_err(|_| WindowsError::INVALID_PARAMETER),
    }
}

/// `INDEX`: the GUID that the interface was created with.
pub(crate) fn guid<'a>(pc: &Pc, words: &mut impl Iterator<Item = &'a str>) -> Answer {
    let index: u64 = parsed(words)?;
    let adapters = lock(&pc.adapters);
    let adapter = adapters.values().find(|adapter| adapter.index == index && adapter.guid != "-");
    adapter.map(|adapter| adapter.guid.clone()).ok_or(WindowsError::NOT_FOUND)
}

/// `GUID`: the index of the interface that was created with it.
pub(crate) fn index<'a>(pc: &Pc, words: &mut impl Iterator<Item = &'a str>) -> Answer {
    let guid = word(words)?;
    let adapters = lock(&pc.adapters);
    let adapter = adapters.values().find(|adapter| adapter.guid.eq_ignore_ascii_case(guid));
    adapter.map(|adapter| adapter.index.to_string()).ok_or(WindowsError::NOT_FOUND)
}

/// `INDEX FAMILY`: the name servers as they were set.
pub(crate) fn name_servers<'a>(pc: &Pc, words: &mut impl Iterator<Item = &'a str>) -> Answer {
    let (index, family) = (parsed(words)?, Family::one(word(words)?)?);
    Ok(lock(&pc.name_servers).get(&(index, family)).cloned().unwrap_or_default())
}

/// `INDEX FAMILY SERVERS`, where the servers are separated by commas or blanks; none takes them away.
pub(crate) fn set_name_servers<'a>(pc: &Pc, words: &mut impl Iterator<Item = &'a str>) -> Answer {
    let (index, family) = (parsed(words)?, Family::one(word(words)?)?);
    ip::name_of(index).map_err(|_| WindowsError::FILE_NOT_FOUND)?;
    let servers: Vec<&str> =
        words.flat_map(|word| word.split(',')).filter(|server| !server.is_empty()).collect();
    if servers.iter().any(|server| server.parse().map(Family::of_address) != Ok(family)) {
        return Err(WindowsError::INVALID_PARAMETER);
    }
    eprintln!("name servers of interface {index}: {servers:?}");
    let mut all = lock(&pc.name_servers);
    if servers.is_empty() {
        all.remove(&(index, family));
    } else {
        all.insert((index, family), servers.join(","));
    }
    Ok(String::new())
}

//! The network state of a host, to be compared before and after.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::Namespace;
use super::address::{PROVIDER_IPV6, SITE_IPV6};

/// Everything about IPv6 that `v6tun-server down` must leave as it was, and IPv4's addresses, routes and
/// forwarding besides. Lifetimes that run down are masked; that a lifetime is infinite is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    sections: Vec<Section>,
}

/// A part of a snapshot: one fact a line, in the kernel's own order.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Section {
    title: String,
    lines: Vec<String>,
}

/// Commands whose JSON array is taken element by element.
const JSON_COMMANDS: [&str; 9] = [
    "ip -j -d link show",
    "ip -6 -j address show",
    "ip -6 -j route show table all",
    "ip -6 -j neighbour show proxy",
    "ip -6 -j rule show",
    "ip -4 -j address show",
    "ip -4 -j route show table all",
    "ip -4 -j neighbour show proxy",
    "ip -4 -j rule show",
];

impl Snapshot {
    /// Looks at a host.
    ///
    /// # Errors
    /// A command failed.
    pub fn take(host: &Namespace) -> Result<Self> {
        let mut sections = Vec::new();
        for command in JSON_COMMANDS {
            sections.push(Section { title: command.to_owned(), lines: json_lines(&host.output(command)?)? });
        }
        for destination in [SITE_IPV6, PROVIDER_IPV6] {
            let title = format!("ip -6 -j route get {destination}");
            // Without a route the command fails: that, too, is to be as before.
            let lines = json_lines(&host.run(&title)?.stdout).unwrap_or_default();
            sections.push(Section { title, lines });
        }
        let rules = host.output("nft list ruleset")?;
        sections.push(Section {
            title: "nft list ruleset".into(),
            lines: rules.lines().map(str::to_owned).collect(),
        });
        for tree in ["net/ipv6", "net/ipv4/conf", "net/ipv4/neigh"] {
            sections
                .push(Section { title: format!("sysctl {tree}"), lines: host.enter(|| sysctl_lines(tree))? });
        }
        Ok(Self { sections })
    }

    /// How many facts it holds.
    #[must_use]
    pub fn facts(&self) -> usize {
        self.sections.iter().map(|section| section.lines.len()).sum()
    }

    /// What differs in `after`, as text to be read; empty if nothing does.
    #[must_use]
    pub fn difference(&self, after: &Self) -> String {
        let mut text = String::new();
        for (before, after) in self.sections.iter().zip(&after.sections) {
            if before != after {
                let _ =
                    write!(text, "{}:\n{}", before.title, section_difference(&before.lines, &after.lines));
            }
        }
        text
    }
}

/// The IPv4 side of a PC, byte for byte as `ip` prints it, and its resolver's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv4Snapshot(String);

impl Ipv4Snapshot {
    /// Looks at a PC.
    ///
    /// # Errors
    /// A command failed.
    pub fn take(pc: &Namespace) -> Result<Self> {
        let commands =
            ["ip -4 address show", "ip -4 route show table all", "ip -4 rule show", "cat /etc/resolv.conf"];
        let outputs: Result<Vec<String>> = commands.iter().map(|command| pc.output(command)).collect();
        Ok(Self(outputs?.join("\n")))
    }
}

fn json_lines(output: &str) -> Result<Vec<String>> {
    if output.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut value: Value = serde_json::from_str(output).context("the JSON of ip")?;
    mask_lifetimes(&mut value);
    let Value::Array(elements) = value else { return Ok(vec![value.to_string()]) };
    Ok(elements.into_iter().flat_map(element_lines).collect())
}

/// One line for an element; for an interface with addresses, one for each of these.
fn element_lines(mut element: Value) -> Vec<String> {
    let addresses = element.get_mut("addr_info").map(Value::take);
    let Some(Value::Array(addresses)) = addresses else {
        return if element.as_object().is_some_and(serde_json::Map::is_empty) {
            vec![]
        } else {
            vec![element.to_string()]
        };
    };
    let link = element["ifname"].as_str().unwrap_or_default().to_owned();
    addresses.into_iter().map(|address| format!("{link} {address}")).collect()
}

fn mask_lifetimes(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(mask_lifetimes),
        Value::Object(fields) => {
            for (key, field) in fields {
                let runs_down = matches!(key.as_str(), "valid_life_time" | "preferred_life_time" | "expires");
                if runs_down && field.as_u64() != Some(u64::from(u32::MAX)) {
                    *field = Value::from("finite");
                } else {
                    mask_lifetimes(field);
                }
            }
        }
        _ => {}
    }
}

fn sysctl_lines(tree: &str) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    read_sysctls(&Path::new("/proc/sys").join(tree), &mut lines)?;
    lines.sort();
    Ok(lines)
}

fn read_sysctls(folder: &Path, lines: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            read_sysctls(&path, lines)?;
        } else {
            // Some cannot be read: a secret that is not set, a trigger.
            let value = fs::read_to_string(&path).unwrap_or_else(|error| format!("({})", error.kind()));
            let key = path.strip_prefix("/proc/sys").unwrap_or(&path);
            lines.push(format!("{} = {}", key.display(), value.trim()));
        }
    }
    Ok(())
}

fn section_difference(before: &[String], after: &[String]) -> String {
    let (was, is): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), after.iter().collect());
    let mut text = String::new();
    for line in before.iter().filter(|line| !is.contains(line)) {
        let _ = writeln!(text, "  - {line}");
    }
    for line in after.iter().filter(|line| !was.contains(line)) {
        let _ = writeln!(text, "  + {line}");
    }
    if text.is_empty() {
        let indented =
            |lines: &[String]| lines.iter().map(|line| format!("    {line}\n")).collect::<String>();
        let _ = writeln!(
            text,
            "  the same lines in another order, or more often; before:\n{}  after:\n{}",
            indented(before),
            indented(after)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot_of(json: &str) -> Snapshot {
        let lines = json_lines(json).unwrap();
        Snapshot { sections: vec![Section { title: "ip -6 -j address show".into(), lines }] }
    }

    #[test]
    fn lifetimes_that_run_down_make_no_difference() {
        let before =
            snapshot_of(r#"[{"ifname":"ens3","addr_info":[{"local":"::2","valid_life_time":1800}]}]"#);
        let after =
            snapshot_of(r#"[{"ifname":"ens3","addr_info":[{"local":"::2","valid_life_time":1790}]}]"#);
        assert_eq!(before.difference(&after), "");
    }

    #[test]
    fn a_lifetime_that_has_become_finite_makes_one() {
        let before =
            snapshot_of(r#"[{"ifname":"ens3","addr_info":[{"local":"::2","valid_life_time":4294967295}]}]"#);
        let after =
            snapshot_of(r#"[{"ifname":"ens3","addr_info":[{"local":"::2","valid_life_time":1790}]}]"#);
        assert!(before.difference(&after).contains("+ ens3"), "{}", before.difference(&after));
    }

    #[test]
    fn another_order_of_addresses_makes_one() {
        let before = snapshot_of(r#"[{"ifname":"ens3","addr_info":[{"local":"::2"},{"local":"::3"}]}]"#);
        let after = snapshot_of(r#"[{"ifname":"ens3","addr_info":[{"local":"::3"},{"local":"::2"}]}]"#);
        assert!(before.difference(&after).contains("another order"), "{}", before.difference(&after));
    }
}

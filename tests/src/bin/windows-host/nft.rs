//! The firewall's rules as `nft` has them: what comes in over an adapter is dropped unless a rule allows it, and a rule
//! that blocks wins over one that allows, as on Windows. What answers somebody, and what IPv6 itself needs, passes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use crate::firewall::Rule;
use crate::windows_error::WindowsError;

const TABLE: &str = "inet windows_firewall";
/// What the ready-made rules of Windows' "Core Networking" let in: errors, and the questions of routers and neighbours.
const CORE: &str = "1, 2, 3, 4, 130, 131, 132, 133, 134, 135, 136, 143";

/// Values of `icftypes.h`.
const INBOUND: &str = "1";
const BLOCK: &str = "0";

/// Replaces what is in force. Without an adapter nothing is: the kernel's rules are as if there were no firewall.
pub(crate) fn load<'a>(
    adapters: &[String],
    rules: impl Iterator<Item = &'a Rule> + Clone,
) -> Result<(), WindowsError> {
    let text = ruleset(adapters, rules);
    match feed(&text) {
        Ok(said) if said.is_empty() => Ok(()),
        Ok(said) => {
            eprintln!("nft: {said}\n{text}");
            Err(WindowsError::INVALID_PARAMETER)
        }
        Err(error) => {
            eprintln!("nft: {error}");
            Err(WindowsError::GEN_FAILURE)
        }
    }
}

/// Gives `nft` a script, and returns what it says against it.
fn feed(script: &str) -> std::io::Result<String> {
    let mut nft =
        Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut input) = nft.stdin.take() {
        input.write_all(script.as_bytes())?;
    }
    let output = nft.wait_with_output()?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Ok(if output.status.success() { String::new() } else { said + " (failed)" })
}

fn ruleset<'a>(adapters: &[String], rules: impl Iterator<Item = &'a Rule> + Clone) -> String {
    // To delete what is not there is an error; to add what is there is none.
    let mut text = format!("add table {TABLE}\ndelete table {TABLE}\n");
    if adapters.is_empty() {
        return text;
    }
    let names: Vec<String> = adapters.iter().map(|name| format!("\"{name}\"")).collect();
    let (blocks, allows): (Vec<&Rule>, Vec<&Rule>) =
        rules.filter(|rule| is_in_force(rule)).partition(|rule| value(rule, "action") == BLOCK);
    let _ =
        writeln!(text, "table {TABLE} {{ chain input {{ type filter hook input priority 0; policy accept;");
    let _ = writeln!(text, "iifname != {{ {} }} accept", names.join(", "));
    let _ = writeln!(text, "ct state established,related accept");
    for condition in blocks.into_iter().flat_map(conditions) {
        let _ = writeln!(text, "{condition} drop");
    }
    let _ = writeln!(text, "icmpv6 type {{ {CORE} }} accept");
    for condition in allows.into_iter().flat_map(conditions) {
        let _ = writeln!(text, "{condition} accept");
    }
    text + "drop\n}\n}\n"
}

fn is_in_force(rule: &Rule) -> bool {
    value(rule, "direction") == INBOUND && !matches!(value(rule, "enabled"), "" | "0")
}

fn value<'a>(rule: &'a Rule, key: &str) -> &'a str {
    rule.get(key).map_or("", String::as_str)
}

/// What a packet must be for the rule to be about it: one condition for each pair of addresses. None if the rule
/// names an address by a word: that of no adapter is meant.
fn conditions(rule: &Rule) -> Vec<String> {
    let mut common = match value(rule, "interfaces") {
        "" => String::new(),
        name => format!("iifname \"{name}\" "),
    };
    common += &protocol(rule);
    let (local, remote) =
        (sides(value(rule, "local-addresses"), "daddr"), sides(value(rule, "remote-addresses"), "saddr"));
    let of_local = |to: &String| remote.iter().map(|from| format!("{to}{from}{common}")).collect::<Vec<_>>();
    local.iter().flat_map(of_local).collect()
}

fn protocol(rule: &Rule) -> String {
    let ports = |name: &str| {
        let side = |key: &str, word: &str| match value(rule, key) {
            "" | "*" => String::new(),
            ports => format!("{name} {word} {{ {ports} }} "),
        };
        format!("meta l4proto {name} {}{}", side("local-ports", "dport"), side("remote-ports", "sport"))
    };
    match value(rule, "protocol") {
        "" | "256" => String::new(),
        "6" => ports("tcp"),
        "17" => ports("udp"),
        "1" => icmp(rule, "icmp"),
        "58" => icmp(rule, "icmpv6"),
        number => format!("meta l4proto {number} "),
    }
}

/// Types and codes are written `TYPE:CODE,…`, the code a number or `*`.
fn icmp(rule: &Rule, name: &str) -> String {
    let types: Vec<&str> = value(rule, "icmp")
        .split(',')
        .filter_map(|pair| pair.split(':').next())
        .filter(|kind| !matches!(*kind, "" | "*"))
        .collect();
    let protocol = if name == "icmp" { "icmp" } else { "ipv6-icmp" };
    match types.is_empty() {
        true => format!("meta l4proto {protocol} "),
        false => format!("{name} type {{ {} }} ", types.join(", ")),
    }
}

/// The conditions of one side; one that is empty stands for any address.
fn sides(addresses: &str, word: &str) -> Vec<String> {
    let one = |address: &str| match address {
        "" | "*" => Some(String::new()),
        address if address.contains(':') => Some(format!("ip6 {word} {address} ")),
        address if address.contains('.') => {
            Some(format!("ip {word} {} ", address.trim_end_matches("/255.255.255.255")))
        }
        _ => None,
    };
    addresses.split(',').filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(words: &[(&str, &str)]) -> Rule {
        words.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn lines(rules: &[Rule]) -> Vec<String> {
        ruleset(&["v6tun0".to_owned()], rules.iter()).lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_rule_that_blocks_stands_before_those_that_allow_and_all_else_is_dropped() {
        let common = [("direction", "1"), ("enabled", "-1")];
        let allow = rule(
            &[&common[..], &[("action", "1"), ("protocol", "6"), ("local-ports", "22,8000-8010")]].concat(),
        );
        let block = rule(&[&common[..], &[("action", "0"), ("local-addresses", "2001:db8::1/128")]].concat());
        let lines = lines(&[allow, block]);
        let at = |text: &str| lines.iter().position(|line| line.trim() == text);
        let order = [
            at("ip6 daddr 2001:db8::1/128  drop"),
            at("meta l4proto tcp tcp dport { 22,8000-8010 }  accept"),
            at("drop"),
        ];
        assert!(order.is_sorted() && order[0].is_some(), "{lines:#?}");
    }

    #[test]
    fn echo_to_one_address_is_one_type() {
        let ping = rule(&[
            ("direction", "1"),
            ("enabled", "-1"),
            ("action", "1"),
            ("protocol", "58"),
            ("icmp", "128:*"),
            ("local-addresses", "2001:db8::1/128"),
        ]);
        assert!(lines(&[ping]).contains(&"ip6 daddr 2001:db8::1/128 icmpv6 type { 128 }  accept".to_owned()));
    }

    #[test]
    fn what_is_disabled_or_about_what_goes_out_is_in_no_force() {
        let before = lines(&[]);
        for change in [("enabled", "0"), ("direction", "2")] {
            let mut rule =
                rule(&[("direction", "1"), ("enabled", "-1"), ("action", "1"), ("protocol", "17")]);
            rule.insert(change.0.to_owned(), change.1.to_owned());
            assert_eq!(lines(&[rule]), before);
        }
    }

    #[test]
    fn without_an_adapter_there_is_no_table() {
        assert!(!ruleset(&[], [].iter()).contains("chain"));
    }
}

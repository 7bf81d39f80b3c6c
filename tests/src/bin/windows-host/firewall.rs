//! The rules of the Windows firewall: what the double of `hnetcfg.dll` adds, removes and asks for.
//!
//! They stay when the program that made them ends, as those in the registry do. A rule is told as words `KEY=VALUE`,
//! the values percent-encoded; what the keys are stands in `tests/windows/doubles/hnetcfg_rule.c`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use crate::nft;
use crate::pc::{Pc, lock};
use crate::windows_error::{Answer, WindowsError, parsed, word};

/// The rules, by the numbers that they have here.
#[derive(Default)]
pub(crate) struct Rules {
    last: u64,
    pub(crate) all: BTreeMap<u64, Rule>,
}

/// A rule's properties by their keys.
pub(crate) type Rule = BTreeMap<String, String>;

/// Carries out a request.
pub(crate) fn answer(pc: &Pc, request: &str) -> Answer {
    let mut words = request.split_whitespace();
    match word(&mut words)? {
        "add" => add(pc, words),
        "set" => set(pc, words),
        "remove" => remove(pc, &decode(word(&mut words)?)),
        "rules" => Ok(list(pc, words.next().map(decode).as_deref())),
        _ => Err(WindowsError::INVALID_PARAMETER),
    }
}

/// `KEY=VALUE...`: the new rule's number. There may be several of one name.
pub(crate) fn add<'a>(pc: &Pc, words: impl Iterator<Item = &'a str>) -> Answer {
    let rule: Rule = words.map(property).collect::<Result<_, _>>()?;
    let number = {
        let mut rules = lock(&pc.rules);
        rules.last += 1;
        let number = rules.last;
        eprintln!("firewall: {number} is {rule:?}");
        rules.all.insert(number, rule);
        number
    };
    enforce(pc)?;
    Ok(number.to_string())
}

/// `NUMBER KEY=VALUE`
fn set<'a>(pc: &Pc, mut words: impl Iterator<Item = &'a str>) -> Answer {
    let number: u64 = parsed(&mut words)?;
    let (key, value) = property(word(&mut words)?)?;
    eprintln!("firewall: {number} has {key}={value}");
    lock(&pc.rules).all.get_mut(&number).ok_or(WindowsError::FILE_NOT_FOUND)?.insert(key, value);
    enforce(pc)?;
    Ok(String::new())
}

/// Removes the first rule of this name, if there is one: Windows says nothing if there is none.
fn remove(pc: &Pc, name: &str) -> Answer {
    {
        let mut rules = lock(&pc.rules);
        let found = rules.all.iter().find(|(_, rule)| is_named(rule, name)).map(|(number, _)| *number);
        eprintln!("firewall: remove {name:?}: {found:?}");
        found.and_then(|number| rules.all.remove(&number));
    }
    enforce(pc)?;
    Ok(String::new())
}

/// A line `NUMBER KEY=VALUE...` for each rule, or for each of this name.
pub(crate) fn list(pc: &Pc, name: Option<&str>) -> String {
    let mut text = String::new();
    for (number, rule) in &lock(&pc.rules).all {
        if name.is_none_or(|name| is_named(rule, name)) {
            let _ = write!(text, "{number}");
            for (key, value) in rule {
                let _ = write!(text, " {key}={}", encode(value));
            }
            text.push('\n');
        }
    }
    text
}

/// Names are compared as Windows compares them.
fn is_named(rule: &Rule, name: &str) -> bool {
    rule.get("name").is_some_and(|own| own.to_lowercase() == name.to_lowercase())
}

/// Has the kernel do what the rules say, on the adapters that there are.
pub(crate) fn enforce(pc: &Pc) -> Result<(), WindowsError> {
    let adapters: Vec<String> = lock(&pc.adapters).keys().cloned().collect();
    let rules = lock(&pc.rules);
    nft::load(&adapters, rules.all.values())
}

fn property(word: &str) -> Result<(String, String), WindowsError> {
    let (key, value) = word.split_once('=').ok_or(WindowsError::INVALID_PARAMETER)?;
    let value = decode(value);
    let value = if key.ends_with("-addresses") { addresses(&value)? } else { value };
    Ok((key.to_owned(), value))
}

/// Addresses as Windows gives them back: a single one has a prefix length or a mask.
fn addresses(text: &str) -> Result<String, WindowsError> {
    let one = |part: &str| match part.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => Ok(format!("{address}/255.255.255.255")),
        Ok(IpAddr::V6(address)) => Ok(format!("{address}/128")),
        Err(_) => {
            let begins_as_one = part.split(['/', '-']).next().is_some_and(|it| it.parse::<IpAddr>().is_ok());
            let is_word = part == "*" || part.chars().all(char::is_alphabetic);
            if begins_as_one || is_word { Ok(part.to_owned()) } else { Err(WindowsError::INVALID_PARAMETER) }
        }
    };
    let parts: Vec<String> = text.split(',').map(|part| one(part.trim())).collect::<Result<_, _>>()?;
    Ok(parts.join(","))
}

fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.:/,*{}()".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn decode(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_comes_back_as_it_was() {
        for text in ["", "a rule, 100 % of it = 1", "Umläute", "%41"] {
            assert_eq!(decode(&encode(text)), text);
            assert!(!encode(text).contains([' ', '=']));
        }
    }

    #[test]
    fn a_single_address_gets_its_length() {
        assert_eq!(
            addresses("2001:db8::1, 192.0.2.1"),
            Ok("2001:db8::1/128,192.0.2.1/255.255.255.255".into())
        );
        assert_eq!(addresses("2001:db8::/32"), Ok("2001:db8::/32".into()));
        assert_eq!(addresses("*"), Ok("*".into()));
        assert_eq!(addresses("2001:db8::g"), Err(WindowsError::INVALID_PARAMETER));
    }
}

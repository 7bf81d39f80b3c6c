use std::cell::{Cell, RefCell};

use super::standing::{Standing, is_absent};
use super::*;
use crate::network::{FirewallAction, PortRange, Traffic};

/// A firewall as Windows': several rules may have one name, and a removal takes one of them.
#[derive(Default)]
struct Rules {
    all: RefCell<Vec<RuleProperties>>,
    looks_through_all: Cell<usize>,
    are_stuck: Cell<bool>,
}

impl RuleStore for Rules {
    fn own_names(&self) -> io::Result<BTreeSet<String>> {
        self.looks_through_all.set(self.looks_through_all.get() + 1);
        let all = self.all.borrow();
        let own = all
            .iter()
            .filter(|rule| rule.grouping == properties::GROUPING && properties::is_own_name(&rule.name));
        Ok(own.map(|rule| rule.name.clone()).collect())
    }

    fn find(&self, name: &str) -> io::Result<Option<RuleProperties>> {
        Ok(self.all.borrow().iter().find(|rule| rule.name == name).cloned())
    }

    fn add(&self, rule: &RuleProperties) -> io::Result<()> {
        self.all.borrow_mut().push(rule.clone());
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        if !self.are_stuck.get() {
            let index = self.all.borrow().iter().position(|rule| rule.name == name);
            self.all.borrow_mut().remove(index.expect("a rule is removed that was found"));
        }
        Ok(())
    }
}

impl Rules {
    fn names(&self) -> Vec<String> {
        self.all.borrow().iter().map(|rule| rule.name.clone()).collect()
    }
}

fn rule(interface: &str, action: FirewallAction, traffic: Traffic) -> FirewallRule {
    FirewallRule {
        interface: interface.to_owned(),
        action,
        traffic,
        address: "2001:db8::2330".parse().unwrap(),
    }
}

fn ping() -> FirewallRule {
    rule("v6tun0", FirewallAction::Allow, Traffic::Echo)
}

fn closed() -> FirewallRule {
    let ports = [PortRange::new(1, 21).unwrap(), PortRange::new(23, 65535).unwrap()];
    rule("v6tun0", FirewallAction::Block, Traffic::Tcp(ports.to_vec()))
}

/// A change that somebody makes to a rule.
type Edit = fn(&mut RuleProperties);

fn put_there(rules: &Rules, expected: &[FirewallRule]) -> RuleBook {
    let mut book = RuleBook::new();
    for rule in expected {
        book.add(rules, rule).unwrap();
    }
    book
}

#[test]
fn what_is_put_there_is_found_in_force() {
    let rules = Rules::default();
    let expected = [closed(), ping()];
    let mut book = put_there(&rules, &expected);
    let found = book.look(&rules, &expected).unwrap();
    assert_eq!(found.len(), 2);
    assert!(expected.iter().all(|rule| found.contains(rule)), "{found:?}");
}

#[test]
fn a_rule_that_somebody_has_changed_is_not_in_force_and_is_replaced() {
    let edits: [(&str, Edit); 9] = [
        ("disabled", |rule| rule.is_enabled = false),
        ("allowed", |rule| rule.action = properties::ACTION_ALLOW),
        ("outbound", |rule| rule.direction = 2),
        ("for private networks alone", |rule| rule.profiles = 2),
        ("other ports", |rule| rule.local_ports = "1-21".to_owned()),
        ("another address", |rule| rule.local_addresses = "2001:db8::1/128".to_owned()),
        ("another protocol", |rule| rule.protocol = 17),
        ("for one program", |rule| rule.is_limited = true),
        ("through relays", |rule| rule.has_edge_traversal = true),
    ];
    for (edit, change) in edits {
        let rules = Rules::default();
        let mut book = put_there(&rules, &[closed()]);
        change(&mut rules.all.borrow_mut()[0]);
        assert_eq!(book.look(&rules, &[closed()]).unwrap(), [], "{edit}");
        book.add(&rules, &closed()).unwrap();
        assert_eq!(book.look(&rules, &[closed()]).unwrap(), [closed()], "{edit}");
        assert_eq!(rules.names().len(), 1, "{edit}");
    }
}

#[test]
fn what_windows_says_in_other_words_is_the_same_rule() {
    let words: [Edit; 5] = [
        |rule| rule.local_addresses = "2001:db8::2330/128".to_owned(),
        |rule| rule.local_addresses = "2001:db8::2330-2001:DB8:0::2330".to_owned(),
        |rule| rule.local_ports = "23-65535, 1-21".to_owned(),
        |rule| rule.profiles = 7,
        |rule| rule.description = "Translated".to_owned(),
    ];
    for (index, change) in words.into_iter().enumerate() {
        let rules = Rules::default();
        let mut book = put_there(&rules, &[closed()]);
        change(&mut rules.all.borrow_mut()[0]);
        assert_eq!(book.look(&rules, &[closed()]).unwrap(), [closed()], "{index}");
    }
}

#[test]
fn rules_that_an_earlier_run_left_are_found_in_force_or_not() {
    let rules = Rules::default();
    put_there(&rules, &[closed(), ping()]);
    rules.all.borrow_mut()[0].is_enabled = false;
    let found = RuleBook::new().look(&rules, &[ping()]).unwrap();
    assert!(found.contains(&closed()) && found.contains(&ping()), "{found:?}");
}

#[test]
fn all_rules_are_looked_through_once() {
    let rules = Rules::default();
    let mut book = RuleBook::new();
    assert!(book.is_new());
    for _ in 0..3 {
        book.look(&rules, &[closed()]).unwrap();
        book.add(&rules, &closed()).unwrap();
    }
    assert_eq!(rules.looks_through_all.get(), 1);
    assert!(!book.is_new());
    book.look_through(&rules).unwrap();
    assert_eq!(rules.looks_through_all.get(), 2);
}

#[test]
fn a_rule_that_somebody_deleted_is_missed() {
    let rules = Rules::default();
    let mut book = put_there(&rules, &[closed()]);
    assert_eq!(book.look(&rules, &[closed()]).unwrap(), [closed()]);
    rules.all.borrow_mut().clear();
    assert_eq!(book.look(&rules, &[closed()]).unwrap(), []);
}

#[test]
fn namesakes_go_together() {
    let rules = Rules::default();
    let mut book = put_there(&rules, &[ping()]);
    let twin = rules.all.borrow()[0].clone();
    rules.all.borrow_mut().push(twin);
    book.delete(&rules, &ping()).unwrap();
    assert_eq!(rules.names(), [""; 0]);
    book.delete(&rules, &ping()).expect("one that is not there is as good");
}

#[test]
fn a_rule_that_stays_whatever_is_done_is_an_error_and_not_a_loop() {
    let rules = Rules::default();
    let mut book = put_there(&rules, &[ping()]);
    rules.are_stuck.set(true);
    let error = book.delete(&rules, &ping()).unwrap_err();
    assert!(error.to_string().contains("cannot be removed"), "{error}");
}

#[test]
fn rules_of_others_stay_whatever_they_are_called() {
    let rules = Rules::default();
    put_there(&rules, &[ping()]);
    let mut other = RuleProperties::of(&closed());
    other.grouping = "somebody's".to_owned();
    rules.add(&other).unwrap();
    let mut renamed = RuleProperties::of(&ping());
    renamed.name = "v6tun as I like it".to_owned();
    rules.add(&renamed).unwrap();
    assert_eq!(delete_all(&rules).unwrap(), 1);
    assert_eq!(rules.names(), [other.name, renamed.name]);
}

#[test]
fn the_rules_of_all_interfaces_go_when_the_program_goes() {
    let rules = Rules::default();
    let second = rule("home", FirewallAction::Block, Traffic::Echo);
    put_there(&rules, &[ping(), second]);
    assert_eq!(delete_all(&rules).unwrap(), 2);
    assert_eq!(rules.names(), [""; 0]);
}

#[test]
fn a_name_says_all_that_is_in_a_rule() {
    for rule in [ping(), closed(), rule("home: 2", FirewallAction::Block, Traffic::Echo)] {
        assert_eq!(properties::rule_of_name(&rule.name()), Some(rule));
    }
    for name in ["v6tun v6tun0: allow ping to nowhere", "v6tun v6tun0: allow tcp to 2001:db8::1", "v6tun", ""]
    {
        assert_eq!(properties::rule_of_name(name), None, "{name}");
    }
}

#[test]
fn a_list_without_a_limit_is_told_from_one_with() {
    assert!(["", "*", "All", " * "].iter().all(|list| properties::is_unlimited(list)));
    assert!(!properties::is_unlimited("22"));
}

#[test]
fn a_firewall_that_is_not_there_is_told_from_one_that_refuses() {
    for code in [1062, 1753, 0x8004_0154_u32.cast_signed()] {
        assert!(is_absent(&io::Error::from_raw_os_error(code)), "{code:#x}");
    }
    for code in [5, 0x8007_0057_u32.cast_signed()] {
        assert!(!is_absent(&io::Error::from_raw_os_error(code)), "{code:#x}");
    }
}

#[test]
fn whatever_keeps_rules_from_having_an_effect_is_said() {
    assert_eq!(Standing::default().warnings(), [""; 0]);
    let standing = Standing { modify_state: 2, off_for: vec!["public"] };
    let warnings = standing.warnings();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[1].contains("set publicprofile state on"), "{warnings:?}");
    assert!(Standing { modify_state: 1, off_for: Vec::new() }.warnings()[0].contains("group policy"));
}

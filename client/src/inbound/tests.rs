use v6tun_host::network::{FirewallAction, FirewallRule, Traffic};

use super::*;

const LEASED: &str = "2001:db8::2330";

fn inbound(text: &str) -> Inbound {
    toml::from_str(text).unwrap()
}

fn rules(text: &str) -> Vec<FirewallRule> {
    inbound(text).rules("v6tun0", LEASED.parse().unwrap())
}

fn names(text: &str) -> Vec<String> {
    rules(text).iter().map(FirewallRule::name).collect()
}

fn refusal(text: &str) -> String {
    toml::from_str::<Inbound>(text).expect_err(text).message().to_owned()
}

/// What becomes of a packet of no flow, as Windows decides it: what is blocked by any rule is dropped, even if
/// another allows it, and so is what no rule is about.
fn is_let_in(rules: &[FirewallRule], is_about: impl Fn(&Traffic) -> bool) -> bool {
    let of = |action| rules.iter().any(|rule| rule.action == action && is_about(&rule.traffic));
    of(FirewallAction::Allow) && !of(FirewallAction::Block)
}

fn contains(ports: &[PortRange], port: u16) -> bool {
    let port = PortRange::new(port, port).unwrap();
    let mut with = ports.to_vec();
    with.push(port);
    PortRange::sorted(&with) == PortRange::sorted(ports)
}

#[test]
fn without_a_word_in_the_file_ping_is_answered_and_nothing_else_comes_in() {
    assert_eq!(
        names(""),
        [
            "v6tun v6tun0: block tcp 1-65535 to 2001:db8::2330",
            "v6tun v6tun0: block udp 1-65535 to 2001:db8::2330",
            "v6tun v6tun0: allow ping to 2001:db8::2330",
        ]
    );
    assert_eq!(Inbound::default(), inbound(""));
}

#[test]
fn listed_ports_are_allowed_and_their_complement_is_blocked() {
    assert_eq!(
        names("ping = false\ntcp = [22, \"8000-8010\"]\nudp = [\"65535\"]"),
        [
            "v6tun v6tun0: block tcp 1-21,23-7999,8011-65535 to 2001:db8::2330",
            "v6tun v6tun0: block udp 1-65534 to 2001:db8::2330",
            "v6tun v6tun0: allow tcp 22,8000-8010 to 2001:db8::2330",
            "v6tun v6tun0: allow udp 65535 to 2001:db8::2330",
            "v6tun v6tun0: block ping to 2001:db8::2330",
        ]
    );
}

#[test]
fn a_port_is_open_exactly_if_it_is_listed() {
    let text = "tcp = [1, 22, \"21-23\", \"8000-8010\", 65535]\nudp = [53]";
    let rules = rules(text);
    for port in 1..=u16::MAX {
        let listed = matches!(port, 1 | 21..=23 | 8000..=8010 | 65535);
        let tcp =
            is_let_in(&rules, |traffic| matches!(traffic, Traffic::Tcp(ports) if contains(ports, port)));
        assert_eq!(tcp, listed, "TCP {port}");
        let udp =
            is_let_in(&rules, |traffic| matches!(traffic, Traffic::Udp(ports) if contains(ports, port)));
        assert_eq!(udp, port == 53, "UDP {port}");
    }
}

#[test]
fn ping_is_answered_exactly_if_it_is_wanted() {
    for (text, answered) in [("", true), ("ping = true", true), ("ping = false", false)] {
        assert_eq!(is_let_in(&rules(text), |traffic| *traffic == Traffic::Echo), answered, "{text}");
    }
}

#[test]
fn where_all_ports_are_listed_there_is_none_to_block() {
    let of_tcp = |rule: &FirewallRule| matches!(rule.traffic, Traffic::Tcp(_));
    let rules: Vec<FirewallRule> = rules("tcp = [\"1-65535\"]").into_iter().filter(of_tcp).collect();
    let [rule] = rules.as_slice() else { panic!("{rules:?}") };
    assert_eq!(rule.action, FirewallAction::Allow);
}

#[test]
fn what_blocks_comes_before_what_allows() {
    let rules = rules("tcp = [22]\nudp = [53]");
    assert!(rules.is_sorted_by_key(|rule| rule.action == FirewallAction::Allow), "{rules:?}");
}

#[test]
fn the_order_and_the_form_in_which_ports_are_listed_make_no_difference() {
    let same =
        ["tcp = [22, \"80-90\"]", "tcp = [\"80-85\", 22, \"84-90\", \"22\"]", "tcp = [\"22\", \"80 - 90\"]"];
    for text in same {
        assert_eq!(inbound(text), inbound(same[0]), "{text}");
    }
}

#[test]
fn what_is_no_port_is_refused_with_what_would_be_one() {
    for text in
        ["tcp = [0]", "udp = [-1]", "tcp = [65536]", "tcp = [\"ssh\"]", "udp = [\"90-80\"]", "udp = [\"\"]"]
    {
        let message = refusal(text);
        assert!(message.contains("numbers of 1 to 65535"), "{text}: {message}");
    }
    assert!(refusal("tcp = [\"ssh\"]").starts_with("`ssh`"));
    for text in ["tcp = 22", "tcp = [2.5]", "tcp = [true]", "udp = \"53\"", "ping = 1"] {
        let message = refusal(text);
        assert!(message.contains("expected"), "{text}: {message}");
    }
    assert!(refusal("icmp = true").contains("unknown field"));
}

#[test]
fn a_list_is_as_long_as_a_rule_can_hold() {
    let list = |count: usize| {
        let ports: Vec<String> = (1..=count).map(|n| (n * 2).to_string()).collect();
        format!("tcp = [{}]", ports.join(","))
    };
    let longest = names(&list(64)).iter().map(String::len).max().unwrap();
    assert!(longest < 1_500, "{longest}");
    assert!(refusal(&list(65)).contains("64 at the most"));
}

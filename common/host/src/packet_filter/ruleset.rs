//! The rules as `libnftables-json(5)` has them.

use std::io;

use serde::Deserialize;
use serde_json::Value;

use super::{Hook, Obstacle, Owner};
use crate::network::ChainOpening;

/// The comment of v6tun's own rules in the chains of others.
const COMMENT: &str = "v6tun";

/// The chains and rules of a host.
#[derive(Debug, Clone, Default)]
pub struct Ruleset {
    chains: Vec<Chain>,
    rules: Vec<Rule>,
}

#[derive(Debug, Clone, Deserialize)]
struct Chain {
    family: String,
    table: String,
    name: String,
    hook: Option<String>,
    policy: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct Rule {
    family: String,
    table: String,
    chain: String,
    handle: u64,
    comment: Option<String>,
    #[serde(default)]
    expr: Vec<Value>,
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    chain: Option<Chain>,
    rule: Option<Rule>,
}

impl Ruleset {
    /// Reads what `nft --json list ruleset` says.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] for anything else.
    pub fn parse(json: &[u8]) -> io::Result<Self> {
        let listing: Listing = serde_json::from_slice(json)?;
        let mut ruleset = Self::default();
        for Item { chain, rule } in listing.nftables {
            ruleset.chains.extend(chain);
            ruleset.rules.extend(rule);
        }
        Ok(ruleset)
    }

    /// The chains of the hook, in tables of these families, that drop what no rule lets through, where none of their
    /// table's rules speaks of `ours`: an interface's name, or a port.
    pub fn obstacles(&self, hook: Hook, families: &[&str], ours: &str) -> impl Iterator<Item = Obstacle> {
        let hook = match hook {
            Hook::Input => "input",
            Hook::Forward => "forward",
        };
        let hangs_there = move |chain: &&Chain| {
            chain.hook.as_deref() == Some(hook) && families.contains(&chain.family.as_str())
        };
        let in_the_way = self.chains.iter().filter(hangs_there).filter(move |chain| self.drops(chain, ours));
        in_the_way.map(|chain| Obstacle {
            family: chain.family.clone(),
            table: chain.table.clone(),
            chain: chain.name.clone(),
            owner: self.owner(chain),
        })
    }

    /// The chains of others that v6tun has opened to that link.
    #[must_use]
    pub fn openings(&self, link: &str) -> Vec<ChainOpening> {
        let mut openings: Vec<ChainOpening> = Vec::new();
        for rule in self.rules.iter().filter(|rule| rule.opens(link)) {
            let opening = ChainOpening {
                family: rule.family.clone(),
                table: rule.table.clone(),
                chain: rule.chain.clone(),
                link: link.to_owned(),
            };
            if !openings.contains(&opening) {
                openings.push(opening);
            }
        }
        openings
    }

    /// The handles of the rules that such an opening is.
    pub(crate) fn handles_of(&self, opening: &ChainOpening) -> Vec<u64> {
        let ChainOpening { family, table, chain, link } = opening;
        let is_its = |rule: &&Rule| {
            (&rule.family, &rule.table, &rule.chain) == (family, table, chain) && rule.opens(link)
        };
        self.rules.iter().filter(is_its).map(|rule| rule.handle).collect()
    }

    fn drops(&self, chain: &Chain, ours: &str) -> bool {
        let own = || self.rules_of_table(chain).filter(|rule| rule.chain == chain.name);
        if own().any(|rule| rule.is_only("accept")) {
            return false;
        }
        let refuses = |rule: &Rule| rule.is_only("drop") || rule.is_only("reject");
        let drops = chain.policy.as_deref() == Some("drop") || own().last().is_some_and(refuses);
        drops && !self.rules_of_table(chain).any(|rule| rule.names(ours))
    }

    fn rules_of_table<'a>(&'a self, chain: &'a Chain) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(|rule| rule.family == chain.family && rule.table == chain.table)
    }

    fn owner(&self, chain: &Chain) -> Owner {
        let of_table = |other: &&Chain| other.family == chain.family && other.table == chain.table;
        if self.chains.iter().filter(of_table).any(|other| other.name.starts_with("ufw")) {
            Owner::Ufw
        } else if chain.table == "firewalld" {
            Owner::Firewalld
        // The names that iptables gives to its tables and chains.
        } else if chain.table == "filter" && ["INPUT", "FORWARD"].contains(&chain.name.as_str()) {
            Owner::Iptables
        } else {
            Owner::Nftables
        }
    }
}

impl Rule {
    /// Whether it does that with every packet, and has no more than a counter or a comment besides.
    fn is_only(&self, verdict: &str) -> bool {
        let mut effects = self.expr.iter().filter(|statement| statement.get("counter").is_none());
        effects.next().is_some_and(|first| first.get(verdict).is_some()) && effects.next().is_none()
    }

    /// Whether it is one of v6tun's own in a chain of others, for that link.
    fn opens(&self, link: &str) -> bool {
        self.comment.as_deref() == Some(COMMENT) && self.names(link)
    }

    /// Whether the text or the number stands anywhere in it.
    fn names(&self, ours: &str) -> bool {
        self.expr.iter().any(|statement| has(statement, ours))
    }
}

fn has(value: &Value, ours: &str) -> bool {
    match value {
        Value::String(text) => text == ours,
        Value::Number(number) => number.to_string() == ours,
        Value::Array(values) => values.iter().any(|value| has(value, ours)),
        Value::Object(values) => values.values().any(|value| has(value, ours)),
        Value::Null | Value::Bool(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ruleset(items: Value) -> Ruleset {
        Ruleset::parse(json!({ "nftables": items }).to_string().as_bytes()).unwrap()
    }

    fn chain(table: &str, name: &str, policy: &str) -> Value {
        json!({"chain": {"family": "ip6", "table": table, "name": name, "handle": 1, "type": "filter",
            "hook": "forward", "prio": 0, "policy": policy}})
    }

    fn rule(table: &str, chain: &str, expr: Value) -> Value {
        json!({"rule": {"family": "ip6", "table": table, "chain": chain, "handle": 4, "expr": expr}})
    }

    fn obstacle(ruleset: &Ruleset) -> Option<Obstacle> {
        ruleset.obstacles(Hook::Forward, &["ip6", "inet"], "v6tun0").next()
    }

    #[test]
    fn a_chain_that_drops_by_policy_is_in_the_way_unless_a_rule_names_the_tunnel() {
        let head = json!({"metainfo": {"version": "1.0.6", "json_schema_version": 1}});
        let table = json!({"table": {"family": "ip6", "name": "filter", "handle": 1}});
        let blocked = [head, table, chain("filter", "FORWARD", "drop")];
        let found = obstacle(&ruleset(json!(blocked))).unwrap();
        assert_eq!(
            (found.owner, found.to_string().as_str()),
            (Owner::Iptables, "table ip6 filter, chain FORWARD")
        );
        let names_it = json!([
            {"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "v6tun0"}}, {"accept": null}
        ]);
        let opened = json!([blocked[2], rule("filter", "FORWARD", names_it)]);
        assert_eq!(obstacle(&ruleset(opened)), None);
        assert_eq!(obstacle(&ruleset(json!([chain("filter", "FORWARD", "accept")]))), None);
    }

    #[test]
    fn a_chain_whose_last_rule_refuses_the_rest_is_in_the_way() {
        let reject = json!([{"counter": {"packets": 0, "bytes": 0}}, {"reject": {"type": "icmpx"}}]);
        let rules = json!([
            chain("firewalld", "filter_FORWARD", "accept"),
            rule("firewalld", "filter_FORWARD", reject)
        ]);
        assert_eq!(obstacle(&ruleset(rules)).unwrap().owner, Owner::Firewalld);
        let some = json!([{"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "invalid"}}, {"drop": null}]);
        let rules = json!([chain("mine", "forward", "accept"), rule("mine", "forward", some)]);
        assert_eq!(obstacle(&ruleset(rules)), None, "it drops only some");
    }

    #[test]
    fn whose_rules_they_are_is_told_by_their_names() {
        let ufw =
            json!({"chain": {"family": "ip6", "table": "filter", "name": "ufw6-user-forward", "handle": 9}});
        let rules = json!([chain("filter", "FORWARD", "drop"), ufw]);
        assert_eq!(obstacle(&ruleset(rules)).unwrap().owner, Owner::Ufw);
        let rules = json!([chain("mine", "forward", "drop")]);
        assert_eq!(obstacle(&ruleset(rules)).unwrap().owner, Owner::Nftables);
    }

    #[test]
    fn a_port_is_found_as_a_number_also_within_a_set() {
        let ports = json!([{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}},
            "right": {"set": [53, 51820]}}}, {"accept": null}]);
        let rules = ruleset(json!([chain("mine", "forward", "drop"), rule("mine", "forward", ports)]));
        assert_eq!(rules.obstacles(Hook::Forward, &["ip6"], "51820").next(), None);
        assert!(rules.obstacles(Hook::Forward, &["ip6"], "5182").next().is_some());
    }

    #[test]
    fn what_v6tun_has_opened_is_known_by_its_comment_and_its_link() {
        let lets = |link: &str| json!([{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": link}}, {"accept": null}]);
        let ours = |handle: u64, link: &str, comment: Option<&str>| {
            json!({"rule": {"family": "ip6", "table": "filter", "chain": "FORWARD", "handle": handle,
                "comment": comment, "expr": lets(link)}})
        };
        let rules = ruleset(json!([
            chain("filter", "FORWARD", "drop"),
            ours(7, "v6tun0", Some("v6tun")),
            ours(8, "v6tun0", Some("v6tun")),
            ours(9, "v6tun0", None),
            ours(10, "v6tun1", Some("v6tun")),
        ]));
        let openings = rules.openings("v6tun0");
        assert_eq!(openings.len(), 1);
        assert_eq!(rules.handles_of(&openings[0]), [7, 8]);
    }

    #[test]
    fn what_is_no_listing_is_an_error() {
        assert_eq!(Ruleset::parse(b"Error: no such file").unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}

use proptest::prelude::*;

use super::*;
use crate::network::SysctlKey;

const LINKS: [&str; 4] = ["default", "docker0", "ens3", "eth1"];

fn key(link: &str, name: &str) -> SysctlKey {
    SysctlKey::ipv6_conf(link, name).unwrap()
}

/// The kernel's settings, and a journal beside them.
struct Model {
    observed: Observed,
    entries: Vec<Entry>,
}

impl Model {
    fn with(forwarding: &[bool]) -> Self {
        let mut model = Self { observed: Observed::default(), entries: Vec::new() };
        model.write("all", "forwarding", "0");
        model.write("ens3", "accept_ra", "1");
        for (link, on) in LINKS.iter().zip(forwarding) {
            model.write(link, "forwarding", if *on { "1" } else { "0" });
        }
        model
    }

    fn write(&mut self, link: &str, name: &str, value: &str) {
        self.observed.sysctls.insert(key(link, name), value.into());
    }

    fn value(&self, link: &str, name: &str) -> &str {
        self.observed.sysctl(&key(link, name)).unwrap()
    }

    fn apply(&mut self, change: &Change) {
        match change {
            Change::SetSysctl { key, to, .. } => {
                self.observed.sysctls.insert(key.clone(), to.clone());
            }
            Change::SetLinkForwarding { link, to, .. } => self.write(link, "forwarding", to),
            Change::SetAllForwarding { to, .. } => {
                for (key, value) in &mut self.observed.sysctls {
                    if key.as_ipv6_conf().is_some_and(|(_, name)| name == "forwarding") {
                        value.clone_from(to);
                    }
                }
            }
            other => panic!("not expected: {other}"),
        }
    }

    fn require(&mut self, requirements: &[Requirement]) {
        for change in plan(requirements, &self.observed) {
            self.entries.push(entry(change.clone()));
            self.apply(&change);
        }
    }

    fn become_router(&mut self) {
        self.require(&[
            Requirement::Sysctl { key: key("ens3", "accept_ra"), value: "2".into() },
            Requirement::Sysctl { key: key("all", "forwarding"), value: "1".into() },
        ]);
    }

    fn undo_until(&mut self, steps: usize) -> Vec<String> {
        let undo = undo(&self.entries, &self.observed);
        for change in undo.changes.into_iter().take(steps) {
            if matches!(change, Change::SetAllForwarding { .. }) {
                self.entries.push(Entry {
                    at: 0,
                    phase: Phase::Undo,
                    change: change.clone(),
                    links: Default::default(),
                });
            }
            self.apply(&change);
        }
        undo.notes
    }

    fn undo_wholly(&mut self) -> Vec<String> {
        let notes = self.undo_until(usize::MAX);
        assert_eq!(undo(&self.entries, &self.observed).changes, [], "a second time has nothing to do");
        notes
    }
}

#[test]
fn forwarding_goes_off_before_the_router_advertisements_are_refused() {
    let mut model = Model::with(&[false; 4]);
    model.become_router();
    let commands: Vec<String> =
        undo(&model.entries, &model.observed).changes.iter().map(Change::to_string).collect();
    let expected = ["sysctl -w net.ipv6.conf.all.forwarding=0", "sysctl -w net.ipv6.conf.ens3.accept_ra=1"];
    assert_eq!(commands, expected);
}

#[test]
fn what_somebody_else_has_written_since_is_left() {
    let mut model = Model::with(&[false; 4]);
    model.become_router();
    model.write("ens3", "accept_ra", "0");
    model.write("all", "forwarding", "0");
    let before = model.observed.clone();
    assert_eq!(model.undo_wholly(), Vec::<String>::new());
    assert_eq!(model.observed, before);
}

#[test]
fn a_links_own_value_that_somebody_else_has_given_it_since_survives() {
    let mut model = Model::with(&[false, true, false, false]);
    model.become_router();
    model.write("docker0", "forwarding", "0");
    model.undo_wholly();
    assert_eq!(model.value("docker0", "forwarding"), "0");
}

#[test]
fn forwarding_and_the_default_route_are_kept_for_a_link_that_came_since() {
    let mut model = Model::with(&[false; 4]);
    model.become_router();
    model.write("br0", "forwarding", "1");
    let before = model.observed.clone();
    assert_eq!(model.undo_wholly().len(), 2);
    assert_eq!(model.observed, before);
}

#[test]
fn one_links_forwarding_is_kept_when_the_whole_host_has_become_a_router_since() {
    let forward = [Requirement::Sysctl { key: key("ens3", "forwarding"), value: "1".into() }];
    let mut model = Model::with(&[false; 4]);
    let before = model.observed.clone();
    model.require(&forward);
    assert_eq!(model.undo_wholly(), Vec::<String>::new());
    assert_eq!(model.observed, before);

    let mut model = Model::with(&[false; 4]);
    model.require(&forward);
    model.write("all", "forwarding", "1");
    assert_eq!(model.undo_wholly().len(), 1);
    assert_eq!(model.value("ens3", "forwarding"), "1");
}

#[test]
fn the_settings_of_the_programs_own_link_go_with_it() {
    let mut model = Model::with(&[false; 4]);
    model.write("v6tun0", "accept_ra", "1");
    model.require(&[Requirement::Sysctl { key: key("v6tun0", "accept_ra"), value: "0".into() }]);
    model.entries.push(entry(Change::SetLinkUp { link: "v6tun0".into(), mtu: 1440 }));
    assert_eq!(undo(&model.entries, &model.observed), Undo::default());
}

#[test]
fn writes_that_lead_back_and_forth_are_undone_by_none() {
    let mut model = Model::with(&[false; 4]);
    for value in ["2", "1"] {
        model.require(&[Requirement::Sysctl { key: key("ens3", "accept_ra"), value: value.into() }]);
    }
    assert_eq!(undo(&model.entries, &model.observed), Undo::default());
}

proptest! {
    #[test]
    fn every_link_has_its_own_forwarding_again_wherever_the_undoing_was_killed(
        forwarding in proptest::collection::vec(any::<bool>(), 4),
        kills in proptest::collection::vec(0..6_usize, 0..4),
    ) {
        let mut model = Model::with(&forwarding);
        let before = model.observed.clone();
        model.become_router();
        for steps in kills {
            model.undo_until(steps);
        }
        prop_assert_eq!(model.undo_wholly(), Vec::<String>::new());
        prop_assert_eq!(model.observed, before);
    }
}

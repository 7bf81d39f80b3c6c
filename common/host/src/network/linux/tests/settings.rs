use super::*;
use crate::network::restore;

/// Every IPv6 setting of every link.
fn all_settings() -> Vec<(String, String)> {
    let mut settings = Vec::new();
    for link in std::fs::read_dir("/proc/sys/net/ipv6/conf").unwrap().flatten() {
        for file in std::fs::read_dir(link.path()).unwrap().flatten() {
            if let Ok(value) = std::fs::read_to_string(file.path()) {
                settings.push((file.path().display().to_string(), value));
            }
        }
    }
    settings.sort();
    settings
}

/// The settings that differ, as they were and as they are.
fn changed_since(before: &[(String, String)]) -> Vec<(String, String)> {
    let now = all_settings();
    let lost = before.iter().filter(|setting| !now.contains(setting));
    lost.chain(now.iter().filter(|setting| !before.contains(setting))).cloned().collect()
}

fn set(link: &str, name: &str, value: &str) -> Requirement {
    Requirement::Sysctl { key: key(link, name), value: value.into() }
}

fn router() -> Vec<Requirement> {
    vec![
        set(UPLINK, "accept_ra", "2"),
        set("all", "forwarding", "1"),
        set(UPLINK, "proxy_ndp", "1"),
        set("all", "proxy_ndp", "1"),
    ]
}

#[test]
fn every_links_own_forwarding_is_given_back() {
    in_namespace(async |network| {
        for link in [UPLINK, "docker0", "eth1.100"] {
            add_link(&network, link).await;
        }
        network.sysctls.write(&key("docker0", "forwarding"), "1").unwrap();
        let before = all_settings();
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());

        require(&network, &mut journal, &router()).await;
        assert_eq!(network.sysctl(&key("eth1.100", "forwarding")).unwrap().as_deref(), Some("1"));
        let notes = restore(&network, journal).await.unwrap();

        assert_eq!(notes, Vec::<String>::new());
        assert_eq!(changed_since(&before), []);
    });
}

#[test]
fn forwarding_stays_on_for_a_link_that_came_since() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        require(&network, &mut journal, &router()).await;
        add_link(&network, "br0").await;

        let notes = restore(&network, journal).await.unwrap();

        assert_eq!(notes.len(), 2, "{notes:?}");
        let value = |link, name| network.sysctl(&key(link, name)).unwrap().unwrap();
        assert_eq!(value("br0", "forwarding"), "1");
        assert_eq!(value(UPLINK, "accept_ra"), "2", "else the default route would expire");
        assert_eq!(value("all", "proxy_ndp"), "0");
    });
}

#[test]
fn the_programs_own_tun_is_nobody_who_needs_forwarding() {
    in_namespace(async |network| {
        add_link(&network, UPLINK).await;
        let before = all_settings();
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        require(&network, &mut journal, &router()).await;
        add_link(&network, "v6tun0").await;
        let ours = ["v6tun0", "v6tun0-far"].map(|link| Requirement::LinkUp { link: link.into(), mtu: 1440 });
        require(&network, &mut journal, &ours).await;
        restore(&network, journal).await.unwrap();
        let index = network.index_of("v6tun0").await.unwrap();
        handle().link().del(index).execute().await.unwrap();
        assert_eq!(changed_since(&before), []);
    });
}

#[test]
fn a_setting_of_a_link_that_is_not_there_is_an_error_with_its_name() {
    in_namespace(async |network| {
        assert_eq!(network.sysctl(&key("v6tun0", "autoconf")).unwrap(), None);
        let change = Change::SetSysctl { key: key("v6tun0", "autoconf"), from: None, to: "0".into() };
        let error = network.apply(&change).await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "set sysctl net.ipv6.conf.v6tun0.autoconf to 0: No such file or directory"
        );
    });
}

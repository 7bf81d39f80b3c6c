//! Who is likely to write the settings of a link, and how to have that program write what the server needs.

use std::fs;
use std::path::{Path, PathBuf};
use v6tun_host::network::SysctlKey;

/// A program that configures networks.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    /// systemd-networkd, which has the link by this file; netplan and cloud-init write such files.
    Networkd { file: PathBuf },
    /// NetworkManager.
    NetworkManager,
    /// Nobody that is known: sysctl(8) at boot, or a script.
    Unknown,
}

/// What to tell the administrator of a setting that is written over and over, in one sentence.
pub(crate) fn advice(key: &SysctlKey, link_index: u32) -> String {
    Owner::of(link_index, Path::new("/")).advice(key)
}

impl Owner {
    /// By what these programs leave below `/run` (networkctl(1), NetworkManager(8)).
    fn of(link_index: u32, root: &Path) -> Self {
        let state = root.join(format!("run/systemd/netif/links/{link_index}"));
        let networkd = fs::read_to_string(state).unwrap_or_default();
        let file = networkd.lines().find_map(|line| line.strip_prefix("NETWORK_FILE="));
        match file.filter(|file| !file.is_empty()) {
            Some(file) => Self::Networkd { file: PathBuf::from(file) },
            None if root.join(format!("run/NetworkManager/devices/{link_index}")).exists() => {
                Self::NetworkManager
            }
            None => Self::Unknown,
        }
    }

    fn advice(&self, key: &SysctlKey) -> String {
        let name = key.components().last().map_or("", String::as_str);
        match self {
            Self::Networkd { file } => {
                let base = file.file_name().unwrap_or_default().to_string_lossy();
                let by = if base.contains("netplan") { ", for netplan" } else { "" };
                let line = match name {
                    "proxy_ndp" => "IPv6ProxyNDP=yes",
                    "forwarding" | "force_forwarding" => "IPv6Forwarding=yes (before version 256: IPForward=ipv6)",
                    _ => "IPv6AcceptRA=yes",
                };
                format!(
                    "likely by systemd-networkd{by}: write /etc/systemd/network/{base}.d/v6tun.conf with [Network] and \
                     {line}, then networkctl reload"
                )
            }
            Self::NetworkManager => {
                "likely by NetworkManager: nmcli device shows which connection, and nmcli connection edit changes it"
                    .to_owned()
            }
            Self::Unknown => format!("see who: grep -rs {name} /etc/sysctl.d /etc/sysctl.conf /etc/network"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networkd_is_known_by_the_file_that_it_has_the_link_by() {
        let root = tempfile::tempdir().unwrap();
        let links = root.path().join("run/systemd/netif/links");
        fs::create_dir_all(&links).unwrap();
        fs::write(
            links.join("2"),
            "ADMIN_STATE=configured\nNETWORK_FILE=/run/systemd/network/10-netplan-ens3.network\n",
        )
        .unwrap();
        fs::write(links.join("3"), "ADMIN_STATE=unmanaged\n").unwrap();
        let key = SysctlKey::ipv6_conf("ens3", "proxy_ndp").unwrap();
        let advice = Owner::of(2, root.path()).advice(&key);
        for part in
            ["netplan", "/etc/systemd/network/10-netplan-ens3.network.d/v6tun.conf", "IPv6ProxyNDP=yes"]
        {
            assert!(advice.contains(part), "{advice}");
        }
        assert_eq!(Owner::of(3, root.path()), Owner::Unknown);
        let devices = root.path().join("run/NetworkManager/devices");
        fs::create_dir_all(&devices).unwrap();
        fs::write(devices.join("3"), "").unwrap();
        assert_eq!(Owner::of(3, root.path()), Owner::NetworkManager);
    }
}

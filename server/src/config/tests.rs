//! What `server.toml` may say, and what is said of one that may not.

use super::*;
use std::fs;

const POOL: &str = "[pool]\naddresses = [\"2001:db8::1\", \"2001:db8::2\"]\n";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = PrivateKey::from_bytes([3; 32]);
        key_file::write_new(&folder.path().join("server.key"), &key.to_base64()).unwrap();
        Self(folder)
    }

    fn load(&self, text: &str) -> Result<Config> {
        let path = self.0.path().join("server.toml");
        fs::write(&path, format!("private-key-file = \"server.key\"\n{text}")).unwrap();
        Config::load(&path)
    }

    fn refusal(&self, text: &str) -> String {
        format!("{:#}", self.load(text).expect_err("must be refused"))
    }
}

fn client(name: &str, byte: u8, rest: &str) -> String {
    let key = PrivateKey::from_bytes([byte; 32]).public_key();
    format!("[[client]]\nname = \"{name}\"\npublic-key = \"{key}\"\n{rest}\n")
}

#[test]
fn the_shortest_file_has_the_documented_defaults() {
    let config = Folder::new().load("").unwrap();
    assert_eq!((config.listen_port, config.interface.as_str()), (51820, "v6tun0"));
    assert_eq!((config.uplink, config.mtu, config.forwarding), (None, None, Forwarding::Auto));
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let folder = Folder::new();
    key_file::write_new(&folder.0.path().join("pc.psk"), &PrivateKey::from_bytes([1; 32]).to_base64())
        .unwrap();
    let text = format!("{POOL}{}", client("pc", 1, "preshared-key-file = \"pc.psk\""));
    assert!(folder.load(&text).unwrap().clients[0].preshared_key.is_some());
}

#[test]
fn what_stands_twice_is_refused_by_name() {
    let folder = Folder::new();
    let twice = "[pool]\naddresses = [\"2001:db8::1\", \"2001:db8::1\"]\n";
    assert!(folder.refusal(twice).contains("lists 2001:db8::1 twice"));
    let names = format!("{POOL}{}{}", client("pc", 1, ""), client("pc", 2, ""));
    assert!(folder.refusal(&names).contains("two clients are named \"pc\""));
    let keys = format!("{POOL}{}{}", client("pc", 1, ""), client("tv", 1, ""));
    assert!(folder.refusal(&keys).contains("stands twice"));
    let fixed = "address = \"2001:db8::9\"";
    let addresses = format!("{POOL}{}{}", client("pc", 1, fixed), client("tv", 2, fixed));
    assert!(folder.refusal(&addresses).contains("both have the address 2001:db8::9"));
}

#[test]
fn the_servers_own_key_is_no_clients() {
    let text = format!("{POOL}{}", client("pc", 3, ""));
    assert!(Folder::new().refusal(&text).contains("this server's own"));
}

#[test]
fn only_global_unicast_is_lent() {
    for address in ["fe80::1", "ff02::1", "::1", "::", "fd00::1", "::ffff:192.0.2.1"] {
        let refusal = Folder::new().refusal(&format!("[pool]\naddresses = [\"{address}\"]\n"));
        assert!(refusal.contains("no global unicast address"), "{address}: {refusal}");
    }
}

#[test]
fn names_and_ranges_are_checked() {
    let folder = Folder::new();
    assert!(folder.refusal(&client("My PC", 1, "")).contains("no client name"));
    assert!(folder.refusal("interface = \"far-too-long-a-name\"").contains("cannot make the tun device"));
    assert!(folder.refusal("interface = \"a/b\"").contains("cannot make the tun device"));
    assert!(folder.refusal("mtu = 1279").contains("mtu 1279 is out of range"));
    assert!(folder.refusal("listen-port = 0").contains("no port"));
    assert!(
        folder
            .refusal("interface = \"ens3\"\n[uplink]\ninterface = \"ens3\"")
            .contains("same interface name")
    );
}

#[test]
fn the_pool_and_the_fixed_addresses_are_lendable_once() {
    let text = format!(
        "{POOL}{}{}",
        client("pc", 1, "address = \"2001:db8::2\""),
        client("tv", 2, "address = \"2001:db8::7\"")
    );
    let named: Vec<String> =
        Folder::new().load(&text).unwrap().named().iter().map(ToString::to_string).collect();
    assert_eq!(named, ["2001:db8::7", "2001:db8::1", "2001:db8::2"]);
}

#[test]
fn a_pool_is_a_list_or_a_prefix_routed_or_not() {
    let folder = Folder::new();
    let config = folder.load("[pool]\nprefix = \"2001:db8:1:2::/64\"\n").unwrap();
    assert_eq!(config.pool, Pool::Derived("2001:db8:1:2::/64".parse().unwrap()));
    assert!(!config.is_routed && config.named().is_empty());
    assert!(folder.load("[pool]\nprefix = \"2001:db8:1:2::/64\"\nrouted = true\n").unwrap().is_routed);
    let both = folder.refusal(&format!("{POOL}prefix = \"2001:db8::/64\"\n"));
    assert!(both.contains("both addresses and a prefix"), "{both}");
}

#[test]
fn a_wrong_prefix_is_refused_with_its_line() {
    let folder = Folder::new();
    for (prefix, why) in [
        ("2001:db8::5/64", "2001:db8::5 is an address in the prefix 2001:db8::/64"),
        ("2001:db8::/124", "not /124"),
        ("2001:db8::", "is no IPv6 prefix"),
        ("192.0.2.0/24", "is no IPv6 prefix"),
        ("fd00::/64", "no global unicast address"),
    ] {
        let refusal = folder.refusal(&format!("[pool]\nprefix = \"{prefix}\"\n"));
        assert!(refusal.contains(why), "{prefix}: {refusal}");
    }
    assert!(folder.refusal("[pool]\nprefix = \"x\"\n").contains("server.toml:3: pool.prefix: "));
}

#[test]
fn the_endpoint_is_read_and_a_wrong_one_refused_with_its_line() {
    let folder = Folder::new();
    let endpoint = folder.load("endpoint = \"vps.example\"\n").unwrap().endpoint.unwrap();
    assert_eq!(endpoint.with_port(51820), "vps.example:51820");
    let refusal = folder.refusal("endpoint = \"vps.example:0\"\n");
    assert!(refusal.contains("server.toml:2: endpoint: \"0\" is no port"), "{refusal}");
}

#[test]
fn clients_keep_what_is_remembered_of_them() {
    let text = format!("{POOL}{}{}", client("pc", 1, ""), client("tv", 2, ""));
    let config = Folder::new().load(&text).unwrap();
    let address = |n: u16| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n);
    let addresses = |remembered| config.assign(&config.wanted(&remembered), &HashSet::new()).unwrap();
    assert_eq!(addresses(HashMap::new()), [address(1), address(2)]);
    let remembered = [(config.clients[1].public_key, address(1))].into();
    assert_eq!(addresses(remembered), [address(2), address(1)]);
}

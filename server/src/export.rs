//! The configuration of one stock WireGuard client, as wg-quick(8) and the WireGuard apps read it.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr};
use v6tun_keys::{KEY_LEN_BASE64, PresharedKey, PrivateKey, PublicKey};
use zeroize::Zeroizing;

/// All of IPv6 in two halves. A lone `::/0` turns on the kill switch of WireGuard for Windows, which cuts IPv4.
const ALLOWED_IPS: &str = "::/1, 8000::/1";
/// Seconds. NATs forget a silent UDP flow after 30 s and more; the client must stay reachable.
const KEEPALIVE: u16 = 25;
/// Bytes of what is the same in every configuration, with room to spare: about 600 are used.
const FIXED_LEN: usize = 1024;
/// Bytes of the longest address in text, with what separates it from the next.
const ADDRESS_LEN: usize = 48;

/// What a stock client must know.
pub(crate) struct Export<'a> {
    /// The client's name.
    pub(crate) name: &'a str,
    /// `None` where the key pair was made on the client: a placeholder stands in its place.
    pub(crate) private_key: Option<&'a PrivateKey>,
    pub(crate) address: Ipv6Addr,
    /// Name servers for as long as the tunnel is up; mostly none, as the client's own go on working.
    pub(crate) dns: &'a [IpAddr],
    /// Inner MTU, bytes.
    pub(crate) mtu: u16,
    /// The server's public key.
    pub(crate) server: &'a PublicKey,
    pub(crate) preshared_key: Option<&'a PresharedKey>,
    /// The server's `host:port`.
    pub(crate) endpoint: &'a str,
}

impl Export<'_> {
    /// The configuration with comments, for a file.
    pub(crate) fn to_text(&self) -> Zeroizing<String> {
        self.write(true)
    }

    /// The same without comments, which keeps a QR code small enough for a terminal.
    pub(crate) fn to_short_text(&self) -> Zeroizing<String> {
        self.write(false)
    }

    fn write(&self, comments: bool) -> Zeroizing<String> {
        let mut text = Text::new(self.capacity(), comments);
        text.comment(&format!(
            "v6tun: {} holds {} through this tunnel. IPv4 stays as it is.",
            self.name, self.address
        ));
        self.write_interface(&mut text);
        text.blank();
        self.write_peer(&mut text);
        text.text
    }

    fn write_interface(&self, text: &mut Text) {
        text.line("[Interface]");
        match self.private_key {
            Some(key) => text.setting("PrivateKey", &key.to_base64()),
            None => {
                text.comment(&format!(
                    "Put the private key of {} here, the output of `wg genkey` that its",
                    self.name
                ));
                text.comment(
                    "public key was made from. It belongs on that machine alone; the server never sees it.",
                );
                text.setting("PrivateKey", &format!("<PRIVATE-KEY-OF-{}>", self.name));
            }
        }
        text.setting("Address", &format!("{}/128", self.address));
        if !self.dns.is_empty() {
            let dns: Vec<_> = self.dns.iter().map(ToString::to_string).collect();
            text.setting("DNS", &dns.join(", "));
        }
        text.setting("MTU", &self.mtu.to_string());
    }

    fn write_peer(&self, text: &mut Text) {
        text.line("[Peer]");
        text.setting("PublicKey", &self.server.to_string());
        if let Some(key) = self.preshared_key {
            text.setting("PresharedKey", &key.to_base64());
        }
        text.setting("Endpoint", self.endpoint);
        text.comment("All of IPv6, in two halves: with ::/0 alone WireGuard for Windows would block IPv4.");
        text.setting("AllowedIPs", ALLOWED_IPS);
        text.comment("Keeps the NAT open, so that this machine can be reached at any time.");
        text.setting("PersistentKeepalive", &KEEPALIVE.to_string());
    }

    /// Bytes that hold any text of this export: one that grows leaves copies of its keys behind.
    fn capacity(&self) -> usize {
        let names = 3 * self.name.len() + self.endpoint.len();
        FIXED_LEN + 3 * KEY_LEN_BASE64 + names + ADDRESS_LEN * (2 + self.dns.len())
    }
}

/// A configuration while it is written.
struct Text {
    text: Zeroizing<String>,
    comments: bool,
}

impl Text {
    fn new(capacity: usize, comments: bool) -> Self {
        Self { text: Zeroizing::new(String::with_capacity(capacity)), comments }
    }

    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").expect("a String takes all");
    }

    fn setting(&mut self, key: &str, value: &str) {
        writeln!(self.text, "{key} = {value}").expect("a String takes all");
    }

    fn comment(&mut self, comment: &str) {
        if self.comments {
            writeln!(self.text, "# {comment}").expect("a String takes all");
        }
    }

    fn blank(&mut self) {
        if self.comments {
            self.text.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use v6tun_cli::qr;

    const PUBLIC: &str = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

    struct Keys {
        private: PrivateKey,
        server: PublicKey,
        preshared: PresharedKey,
    }

    impl Keys {
        fn new() -> Self {
            let server = PUBLIC.parse().unwrap();
            let preshared = PresharedKey::from_bytes([2; 32]);
            Self { private: PrivateKey::from_bytes([1; 32]), server, preshared }
        }

        fn export(&self) -> Export<'_> {
            Export {
                name: "pc",
                private_key: Some(&self.private),
                address: "2001:db8:1301:740::2330".parse().unwrap(),
                dns: &[],
                mtu: 1440,
                server: &self.server,
                preshared_key: Some(&self.preshared),
                endpoint: "203.0.113.233:51820",
            }
        }
    }

    #[test]
    fn every_line_is_as_it_should_be() {
        let expected = "\
# v6tun: pc holds 2001:db8:1301:740::2330 through this tunnel. IPv4 stays as it is.
[Interface]
PrivateKey = AAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAUE=
Address = 2001:db8:1301:740::2330/128
MTU = 1440

[Peer]
PublicKey = hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=
PresharedKey = AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI=
Endpoint = 203.0.113.233:51820
# All of IPv6, in two halves: with ::/0 alone WireGuard for Windows would block IPv4.
AllowedIPs = ::/1, 8000::/1
# Keeps the NAT open, so that this machine can be reached at any time.
PersistentKeepalive = 25
";
        assert_eq!(*Keys::new().export().to_text(), expected);
    }

    #[test]
    fn a_key_that_is_not_known_here_is_a_placeholder_that_no_reader_takes_for_a_key() {
        let keys = Keys::new();
        let export = Export { private_key: None, preshared_key: None, ..keys.export() };
        let text = export.to_text();
        let expected = "\
[Interface]
# Put the private key of pc here, the output of `wg genkey` that its
# public key was made from. It belongs on that machine alone; the server never sees it.
PrivateKey = <PRIVATE-KEY-OF-pc>
Address";
        assert!(text.contains(expected), "{}", *text);
        assert!(!text.contains("PresharedKey"));
        assert!(PrivateKey::from_base64("<PRIVATE-KEY-OF-pc>").is_err());
    }

    #[test]
    fn name_servers_stand_in_one_line_and_only_if_there_are_any() {
        let keys = Keys::new();
        let dns = ["2001:db8::53".parse().unwrap(), "192.0.2.53".parse().unwrap()];
        let text = Export { dns: &dns, ..keys.export() }.to_text();
        assert!(text.contains("/128\nDNS = 2001:db8::53, 192.0.2.53\nMTU"), "{}", *text);
        assert!(!keys.export().to_text().contains("DNS"));
    }

    /// What wg-quick(8) and wg(8) know, each in its section; both refuse any other.
    #[test]
    fn every_line_is_one_that_wg_quick_knows() {
        let interface = ["PrivateKey", "Address", "DNS", "MTU"];
        let peer = ["PublicKey", "PresharedKey", "Endpoint", "AllowedIPs", "PersistentKeepalive"];
        let keys = Keys::new();
        let dns = ["192.0.2.53".parse().unwrap()];
        let export = Export { dns: &dns, ..keys.export() };
        for text in [export.to_text(), export.to_short_text()] {
            let mut known: &[&str] = &[];
            for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
                match line {
                    "[Interface]" => known = &interface,
                    "[Peer]" => known = &peer,
                    _ => assert!(known.contains(&line.split_once(" = ").unwrap().0), "{line}"),
                }
            }
        }
    }

    #[test]
    fn the_short_text_says_the_same_and_its_qr_code_fits_into_80_columns() {
        let keys = Keys::new();
        let (long, short) = (keys.export().to_text(), keys.export().to_short_text());
        let settings: Vec<_> =
            long.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
        assert_eq!(short.lines().collect::<Vec<_>>(), settings);
        let code = qr::render(&short, false).unwrap();
        assert!(code.lines().next().unwrap().chars().count() <= 80);
    }

    #[test]
    fn the_text_never_grows_and_so_leaves_no_key_behind() {
        let keys = Keys::new();
        let dns = ["2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap(); 50];
        let (name, endpoint) = ("n".repeat(63), format!("{}:51820", "e".repeat(249)));
        let address = "2001:db8:1111:2222:3333:4444:5555:6666".parse().unwrap();
        for private_key in [Some(&keys.private), None] {
            let keys = keys.export();
            let export = Export { name: &name, private_key, address, dns: &dns, endpoint: &endpoint, ..keys };
            assert_eq!(export.to_text().capacity(), export.capacity());
        }
    }
}

//! The inner packets that must not leave the server's tun, and why each would be dropped.

use std::net::Ipv6Addr;

use super::packet::{
    DESTINATION_OPTIONS, FRAGMENT, HEADER, HOP_BY_HOP, ICMPV6, ROUTING, UDP, echo_request, icmpv6, ipv6,
    set_payload_length, udp, with_extension,
};

/// The hop limit that neighbour discovery demands, and that control datagrams have.
const LINK_HOP_LIMIT: u8 = 255;
/// The port of the control protocol.
const CONTROL_PORT: u16 = 5186;
/// The server's link-local address inside the tunnel.
const SERVER_LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);
/// An extension header of eight bytes that holds padding alone.
const PADDING: [u8; 8] = [0, 0, 1, 4, 0, 0, 0, 0];

/// An inner packet, and the name in `status --json` under which it must be counted.
#[derive(Clone, Debug)]
pub struct Forbidden {
    /// What is wrong with it.
    pub name: String,
    /// Its bytes.
    pub packet: Vec<u8>,
    /// The drop reason.
    pub reason: &'static str,
}

/// Whose addresses the packets bear.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// The lease of the one who sends them.
    pub own: Ipv6Addr,
    /// The lease of another client.
    pub other_lease: Ipv6Addr,
    /// An address of the VPS itself.
    pub vps: Ipv6Addr,
    /// The provider's router.
    pub router: Ipv6Addr,
    /// A host that answers.
    pub site: Ipv6Addr,
    /// The link-local address that the control protocol gives to the sender.
    pub own_link_local: Ipv6Addr,
}

/// All of them.
#[must_use]
pub fn all(addresses: &Addresses) -> Vec<Forbidden> {
    let mut list = List { addresses: *addresses, packets: Vec::new() };
    list.add_spoofed_sources();
    list.add_unusable_addresses();
    list.add_link_talk();
    list.add_hidden_link_talk();
    list.add_extension_headers();
    list.add_wrong_lengths();
    list.add_broken_control();
    list.packets
}

struct List {
    addresses: Addresses,
    packets: Vec<Forbidden>,
}

impl List {
    fn add(&mut self, reason: &'static str, name: impl Into<String>, packet: Vec<u8>) {
        self.packets.push(Forbidden { name: name.into(), packet, reason });
    }

    /// An echo request to the site that nothing is wrong with.
    fn good(&self) -> Vec<u8> {
        echo_request(self.addresses.own, self.addresses.site, 0)
    }

    fn add_spoofed_sources(&mut self) {
        let Addresses { own, other_lease, vps, router, site, .. } = self.addresses;
        let stranger = Ipv6Addr::new(0x2001, 0xdb8, 0xbad, 0, 0, 0, 0, 1);
        let private = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
        for source in [other_lease, vps, router, site, stranger, private] {
            let name = format!("source {source}");
            self.add("source-not-leased", name, echo_request(source, other_lease, 0));
        }
        self.add("address-own", "from the lease to itself", echo_request(own, own, 0));
    }

    fn add_unusable_addresses(&mut self) {
        let Addresses { own, site, .. } = self.addresses;
        let cases: [(&'static str, &[&str]); 5] = [
            ("address-multicast", &["ff02::1", "ff02::2", "ff0e::1", "ff05::1:3"]),
            ("address-link-local", &["fe80::740:1", "fe80::bad", "febf::1"]),
            ("address-loopback", &["::1"]),
            ("address-unspecified", &["::"]),
            ("address-ipv4-mapped", &["::ffff:192.0.2.80"]),
        ];
        for (reason, addresses) in cases {
            for address in addresses.iter().filter_map(|address| address.parse::<Ipv6Addr>().ok()) {
                self.add(reason, format!("source {address}"), echo_request(address, site, 0));
                self.add(reason, format!("destination {address}"), echo_request(own, address, 0));
            }
        }
    }

    fn add_link_talk(&mut self) {
        let Addresses { own, site, .. } = self.addresses;
        let cases: [(&'static str, &[u8]); 2] = [
            // RS, RA, NS, NA, redirect.
            ("neighbour-discovery", &[133, 134, 135, 136, 137]),
            // Query, report, done, report v2.
            ("multicast-listener", &[130, 131, 132, 143]),
        ];
        for (reason, kinds) in cases {
            for kind in kinds {
                let packet = icmpv6(own, site, LINK_HOP_LIMIT, *kind, &link_talk_body(site));
                self.add(reason, format!("ICMPv6 type {kind}"), packet);
            }
        }
        let everybody = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
        let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xbad);
        let advertisement = icmpv6(link_local, everybody, LINK_HOP_LIMIT, 134, &link_talk_body(site));
        self.add("address-link-local", "a router advertisement as routers send it", advertisement);
    }

    fn add_hidden_link_talk(&mut self) {
        let advertisement = self.advertisement();
        let hidden = with_extension(&advertisement, DESTINATION_OPTIONS, &PADDING);
        self.add("neighbour-discovery", "an RA behind destination options", hidden.clone());
        let deeper = with_extension(&hidden, HOP_BY_HOP, &PADDING);
        self.add("neighbour-discovery", "an RA behind two extension headers", deeper);
        let atomic = with_extension(&advertisement, FRAGMENT, &[0, 0, 0, 0, 0, 0, 0, 7]);
        self.add("neighbour-discovery", "an RA in an atomic fragment", atomic);
        let mut first = with_extension(&advertisement, FRAGMENT, &[0, 0, 0, 1, 0, 0, 0, 7]);
        first.truncate(HEADER + 8 + 8);
        set_payload_length(&mut first, 16);
        self.add("neighbour-discovery", "the first fragment of an RA", first);
    }

    fn add_extension_headers(&mut self) {
        let good = self.good();
        for kind in [0, 2, 4] {
            let mut routing = vec![0, 2, kind, 1, 0, 0, 0, 0];
            routing.extend(self.addresses.site.octets());
            let packet = with_extension(&good, ROUTING, &routing);
            self.add("routing-header", format!("routing header type {kind}"), packet.clone());
            let behind = with_extension(&packet, DESTINATION_OPTIONS, &PADDING);
            self.add("routing-header", format!("routing header type {kind} behind another"), behind);
        }
        let endless = with_extension(&good, DESTINATION_OPTIONS, &[0, 255, 1, 4, 0, 0, 0, 0]);
        self.add("extension-header-malformed", "an extension header beyond the end", endless);
        let late = with_extension(&good, HOP_BY_HOP, &PADDING);
        let late = with_extension(&late, DESTINATION_OPTIONS, &PADDING);
        self.add("extension-header-malformed", "hop-by-hop options in second place", late);
        let many =
            (0..20).fold(good.clone(), |packet, _| with_extension(&packet, DESTINATION_OPTIONS, &PADDING));
        self.add("extension-headers-too-many", "twenty extension headers", many);
        // RFC 2675: option type 0xc2, length 4; the payload length is 0.
        let mut jumbo = with_extension(&good, HOP_BY_HOP, &[0, 0, 0xc2, 4, 0, 1, 0, 0]);
        set_payload_length(&mut jumbo, 0);
        self.add("length-mismatch", "a jumbogram", jumbo);
    }

    fn add_wrong_lengths(&mut self) {
        let good = self.good();
        self.add("not-ipv6", "IPv4", ipv4_echo_request());
        for version in [0, 5, 7, 15] {
            let mut packet = good.clone();
            packet[0] = version << 4;
            self.add("not-ipv6", format!("IP version {version}"), packet);
        }
        self.add("packet-malformed", "one byte of an IPv6 header", good[..1].to_vec());
        self.add("packet-malformed", "39 bytes of an IPv6 header", good[..HEADER - 1].to_vec());
        let mut short = good.clone();
        set_payload_length(&mut short, good.len() - HEADER + 16);
        self.add("packet-malformed", "less payload than the header says", short);
        let mut huge = good.clone();
        set_payload_length(&mut huge, 65535);
        self.add("packet-malformed", "a payload length of 65535", huge);
        let mut trailing = good.clone();
        trailing.extend([0xff; 32]);
        self.add("length-mismatch", "more payload than the header says", trailing);
        let mut no_payload = good.clone();
        set_payload_length(&mut no_payload, 0);
        self.add("length-mismatch", "a payload of zero bytes that is there", no_payload);
        let Addresses { own, site, .. } = self.addresses;
        self.add("packet-malformed", "an ICMPv6 header that is not there", ipv6(own, site, ICMPV6, 64, &[]));
        let long = udp(own, site, 64, [9, 9], &[0; 1520 - HEADER - 8]);
        self.add("datagram-too-long", "1520 bytes", long);
        let over = udp(own, site, 64, [9, 9], &[0; 1501 - HEADER - 8]);
        self.add("packet-too-long", "1501 bytes", over);
    }

    fn add_broken_control(&mut self) {
        let Addresses { own_link_local, other_lease, .. } = self.addresses;
        let ports = [CONTROL_PORT; 2];
        let nonsense = |from, hop_limit| udp(from, SERVER_LINK_LOCAL, hop_limit, ports, &[0xff; 40]);
        let mut wrong_sum = nonsense(own_link_local, LINK_HOP_LIMIT);
        wrong_sum[HEADER + 6] ^= 1;
        self.add("control-checksum", "control with a wrong checksum", wrong_sum);
        self.add("control-hop-limit", "control from afar", nonsense(own_link_local, 64));
        let stranger = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xbad);
        self.add("control-source-mismatch", "control of another", nonsense(stranger, LINK_HOP_LIMIT));
        let leased = nonsense(other_lease, LINK_HOP_LIMIT);
        self.add("control-source-mismatch", "control from a lease", leased);
        let other_port = udp(own_link_local, SERVER_LINK_LOCAL, LINK_HOP_LIMIT, [CONTROL_PORT, 53], &[0; 8]);
        self.add("control-malformed", "another UDP port of the server's link-local address", other_port);
        let no_udp = ipv6(own_link_local, SERVER_LINK_LOCAL, UDP, LINK_HOP_LIMIT, &[]);
        self.add("control-malformed", "control without a UDP header", no_udp);
    }

    fn advertisement(&self) -> Vec<u8> {
        let Addresses { own, site, .. } = self.addresses;
        icmpv6(own, site, LINK_HOP_LIMIT, 134, &link_talk_body(site))
    }
}

/// A body that is long enough to be any neighbour discovery or multicast listener message, with `address`
/// where most have their target.
fn link_talk_body(address: Ipv6Addr) -> Vec<u8> {
    let mut body = vec![64, 0, 0x07, 0x08];
    body.extend(address.octets());
    body.extend(address.octets());
    body
}

/// A whole and valid IPv4 packet: 192.0.2.1 pings 192.0.2.80.
fn ipv4_echo_request() -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 1, 0xf6, 0x8d];
    packet.extend([192, 0, 2, 1, 192, 0, 2, 80]);
    packet.extend([8, 0, 0xf7, 0xff, 0, 0, 0, 0]);
    packet
}

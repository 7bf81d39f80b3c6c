//! Super-packets are taken apart as the kernel itself takes them apart: what it forwards to a device that wants single
//! packets is compared, byte by byte, with what becomes of the same super-packet here.

use std::{fs, process::Command};

use proptest::{prelude::*, test_runner::TestRunner};

use super::super::*;
use crate::{
    limits::{TUN_BUFFER_LEN, TUN_PACKET_LEN},
    offload::{ChecksumPlace, Gso, GsoProtocol, Segments},
    tun::own_namespace::in_own_namespace,
};

const FIN: u8 = 0x01;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;
const CWR: u8 = 0x80;
/// Among the kernel's flags: the first packet says that the window was reduced.
const GSO_ECN: u8 = 0x80;

#[derive(Clone, Debug)]
struct SuperPacket {
    protocol: GsoProtocol,
    /// Groups of eight bytes of hop-by-hop options.
    hop_by_hop: u8,
    traffic_class: u8,
    flow_label: u16,
    flags: u8,
    sequence: u32,
    urgent: u16,
    /// Words of TCP options.
    options: u8,
    size: u16,
    payload: Vec<u8>,
}

fn super_packets() -> impl Strategy<Value = SuperPacket> {
    let flags = (any::<u8>(), any::<bool>()).prop_map(|(some, reduced)| {
        // SYN and RST are never segmented.
        let flags = some & (FIN | PSH | 0x20 | 0x40) | ACK;
        if reduced { flags | CWR } else { flags }
    });
    let headers = (any::<bool>(), 0..3_u8, any::<u8>(), any::<u16>());
    let tcp = (flags, any::<u32>(), any::<u16>(), 0..11_u8);
    (headers, tcp, 8..1300_u16, 2..30_usize, any::<prop::sample::Index>()).prop_flat_map(
        |(
            (is_tcp, hop_by_hop, traffic_class, flow_label),
            (flags, sequence, urgent, options),
            size,
            count,
            last,
        )| {
            let len = usize::from(size) * (count - 1) + 1 + last.index(usize::from(size));
            prop::collection::vec(any::<u8>(), len..=len).prop_map(move |payload| SuperPacket {
                protocol: if is_tcp { GsoProtocol::Tcp } else { GsoProtocol::Udp },
                hop_by_hop,
                traffic_class,
                flow_label,
                flags,
                sequence,
                urgent,
                options,
                size,
                payload,
            })
        },
    )
}

impl SuperPacket {
    fn transport(&self) -> Vec<u8> {
        let mut bytes = vec![0x30, 0x39, 0xd4, 0x31];
        match self.protocol {
            GsoProtocol::Tcp => {
                bytes.extend(self.sequence.to_be_bytes());
                bytes.extend([0, 0, 0, 9, (5 + self.options) << 4, self.flags, 0x12, 0x34, 0, 0]);
                bytes.extend(self.urgent.to_be_bytes());
                // No operation, as often as there is room.
                bytes.resize(bytes.len() + 4 * usize::from(self.options), 1);
            }
            GsoProtocol::Udp => {
                let len = u16::try_from(8 + self.payload.len()).unwrap();
                bytes.extend(len.to_be_bytes());
                bytes.extend([0, 0]);
            }
        }
        bytes
    }

    /// As a tun hands it over, its checksum still to be completed.
    fn build(&self) -> (VirtioHeader, Vec<u8>) {
        let (protocol, checksum) = match self.protocol {
            GsoProtocol::Tcp => (6, 16),
            GsoProtocol::Udp => (17, 6),
        };
        let transport = self.transport();
        let options = 8 * usize::from(self.hop_by_hop);
        let mut packet = vec![0x60 | self.traffic_class >> 4, self.traffic_class << 4];
        packet.extend(self.flow_label.to_be_bytes());
        packet.extend(u16::try_from(options + transport.len() + self.payload.len()).unwrap().to_be_bytes());
        packet.extend([if options > 0 { 0 } else { protocol }, 64]);
        for network in [0xc, 0xb] {
            packet.extend([0x20, 0x01, 0x0d, 0xb8, 0, network, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        }
        if let Some(more) = self.hop_by_hop.checked_sub(1) {
            // One option that fills the header, for experiments (RFC 4727, section 3.6), and to be skipped by others.
            packet.extend([protocol, more, 0x1e, u8::try_from(options - 4).unwrap()]);
            packet.resize(40 + options, 0);
        }
        let start = packet.len();
        packet.extend(transport);
        let headers = packet.len();
        packet.extend(&self.payload);
        let sum = sum_of_pseudo_header(&packet[8..40], protocol, packet.len() - start);
        packet[start + checksum..start + checksum + 2].copy_from_slice(&sum.to_be_bytes());
        let header = VirtioHeader {
            checksum: Some(ChecksumPlace { start: start as u16, offset: checksum as u16 }),
            gso: Some(Gso { protocol: self.protocol, size: self.size, header_len: headers as u16 }),
        };
        (header, packet)
    }
}

fn sum_of_pseudo_header(addresses: &[u8], protocol: u8, len: usize) -> u16 {
    let mut sum = u32::from(protocol) + u32::try_from(len).unwrap();
    sum += addresses.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// Two devices and a kernel that forwards from one to the other; only the first takes super-packets.
struct Forwarder {
    from: Device,
    to: Device,
}

impl Forwarder {
    /// `None`, with the reason printed, where it cannot be made.
    fn build() -> Option<Self> {
        let from = open("from").unwrap();
        let to = Device { descriptor: create("to", true).unwrap(), joins: Some(Joins::TcpAndUdp) };
        fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1").unwrap();
        for (name, network) in [("from", "c"), ("to", "b")] {
            for command in [
                format!("link set {name} mtu 1500 up"),
                format!("address add 2001:db8:{network}::1/64 dev {name} nodad"),
            ] {
                let done = Command::new("ip").args(command.split(' ')).status();
                if !done.is_ok_and(|status| status.success()) {
                    eprintln!("skipped: `ip {command}` fails");
                    return None;
                }
            }
        }
        Some(Self { from, to })
    }

    /// What the kernel makes of it, but for its own messages.
    fn forward(&self, header: VirtioHeader, packet: &[u8], is_reduced: bool) -> Vec<Vec<u8>> {
        let mut virtio = header.to_bytes();
        if is_reduced {
            virtio[1] |= GSO_ECN;
        }
        let slices = [IoSlice::new(&virtio), IoSlice::new(packet)];
        rustix::io::writev(&self.from.descriptor, &slices).unwrap();
        let (mut buffer, mut all) = (vec![0; TUN_BUFFER_LEN], Vec::new());
        while let Ok(reading) = read(&self.to, &mut buffer) {
            assert_eq!(reading.header, VirtioHeader::PLAIN, "the device was promised single packets");
            let packet = &buffer[reading.packet];
            if packet[8..40] == all.first().map_or(packet, Vec::as_slice)[8..40] && packet[39] == 2 {
                all.push(packet.to_vec());
            }
        }
        all
    }
}

#[test]
fn super_packets_come_apart_as_the_kernel_takes_them_apart() {
    in_own_namespace(|| {
        let Some(kernel) = Forwarder::build() else { return };
        let mut runner = TestRunner::new(ProptestConfig::with_cases(400));
        let outcome = runner.run(&super_packets(), |packet| {
            let (header, mut bytes) = packet.build();
            let is_reduced = packet.protocol == GsoProtocol::Tcp && packet.flags & CWR != 0;
            let theirs = kernel.forward(header, &bytes, is_reduced);
            // It forwards, which costs a hop.
            bytes[7] -= 1;
            let mut segments = Segments::new(header, &mut bytes).unwrap();
            let (mut room, mut ours) = ([0; TUN_PACKET_LEN], Vec::new());
            while let Some(segment) = segments.next(&mut room) {
                ours.push(segment.unwrap().to_vec());
            }
            prop_assert_eq!(ours.len(), theirs.len());
            for (number, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                prop_assert_eq!(ours, theirs, "packet {}", number);
            }
            Ok(())
        });
        outcome.unwrap();
    });
}

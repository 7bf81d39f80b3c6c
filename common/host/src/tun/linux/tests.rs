mod segmentation;

use super::*;
use crate::limits::TUN_BUFFER_LEN;
use crate::offload::Segments;
use crate::tun::{Tun, TunError, own_namespace::in_own_namespace};

#[test]
fn a_new_device_is_down_and_silent() {
    in_own_namespace(|| {
        let tun = Tun::create("v6tun0").unwrap();
        assert_eq!(tun.name(), "v6tun0");
        let error = tun.read(&mut [0; TUN_BUFFER_LEN]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let report = tun.write_batch(std::iter::once(&[0x60; 48][..]));
        assert_eq!(report, WriteReport { full: 0, refused: 1 }, "down, so it takes nothing");
    });
}

#[test]
fn a_name_in_use_is_reported_as_busy() {
    in_own_namespace(|| {
        let _first = Tun::create("v6tun0").unwrap();
        assert!(matches!(Tun::create("v6tun0"), Err(TunError::Device(DeviceError::Busy { .. }))));
    });
}

#[test]
fn a_device_that_was_left_behind_is_taken_over_and_goes_when_it_is_no_longer_to_stay() {
    in_own_namespace(|| {
        let exists = || std::fs::exists("/proc/thread-self/net/dev_snmp6/v6tun0").unwrap();
        let tun = Tun::create("v6tun0").unwrap();
        tun.set_persistent(true).unwrap();
        drop(tun);
        assert!(exists(), "it went with its process");
        let tun = Tun::create("v6tun0").unwrap();
        tun.set_persistent(false).unwrap();
        assert!(exists());
        drop(tun);
        assert!(!exists(), "it stays");
    });
}

#[test]
fn a_name_of_another_kind_of_interface_is_reported_as_taken() {
    in_own_namespace(|| assert!(matches!(open("lo"), Err(DeviceError::NameTaken { .. }))));
}

/// Makes a device with an address, up; `None` where `ip` is missing.
fn running(name: &str) -> Option<Tun> {
    let tun = Tun::create(name).unwrap();
    let commands =
        [format!("link set {name} mtu 1440 up"), format!("address add 2001:db8::1/64 dev {name} nodad")];
    for command in commands {
        let done = std::process::Command::new("ip").args(command.split(' ')).status();
        if !done.is_ok_and(|status| status.success()) {
            eprintln!("skipped: `ip {command}` fails");
            return None;
        }
    }
    Some(tun)
}

/// A UDP datagram from the far end of the tunnel, with a right checksum.
fn datagram(port: u16, payload: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + payload.len()).unwrap();
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend(len.to_be_bytes());
    packet.extend([17, 64]);
    for last in [2_u8, 1] {
        packet.extend([0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(4000_u16.to_be_bytes());
    packet.extend(port.to_be_bytes());
    packet.extend(len.to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    let sum = checksum(&packet);
    packet[46..48].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The checksum of a UDP datagram over IPv6 (RFC 8200, section 8.1), 0 if there is a right one in it.
fn checksum(packet: &[u8]) -> u16 {
    let len = u32::try_from(packet.len() - 40).unwrap();
    let mut sum = len + 17;
    for pair in packet[8..].chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[test]
fn what_is_written_as_one_arrives_one_by_one() {
    in_own_namespace(|| {
        let Some(tun) = running("v6tun0") else { return };
        let socket = std::net::UdpSocket::bind("[2001:db8::1]:0").unwrap();
        socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let payloads: Vec<Vec<u8>> = (0..20_u8).map(|number| vec![number; 1000]).collect();
        let packets: Vec<Vec<u8>> = payloads.iter().map(|payload| datagram(port, payload)).collect();
        assert_eq!(tun.write_batch(packets.iter().map(Vec::as_slice)), WriteReport::default());
        let mut buffer = [0; 2048];
        for payload in payloads {
            let len = socket.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..len], payload);
        }
    });
}

#[test]
fn what_is_read_at_once_is_taken_apart_and_complete() {
    in_own_namespace(|| {
        let Some(tun) = running("v6tun0") else { return };
        let socket = std::net::UdpSocket::bind("[2001:db8::1]:0").unwrap();
        socket.connect("[2001:db8::2]:4000").unwrap();
        let sent: Vec<u8> = (0..12_345_usize).map(|at| at as u8).collect();
        // As a program does that speaks QUIC: one call, many datagrams.
        send_in_segments(&socket, 1000);
        if let Err(error) = socket.send(&sent) {
            eprintln!("skipped: this kernel sends no segments to a tun: {error}");
            return;
        }
        let (mut buffer, mut room) = ([0; TUN_BUFFER_LEN], [0; 2048]);
        let mut received = Vec::new();
        while let Ok(reading) = tun.read(&mut buffer) {
            let mut packets = Segments::new(reading.header, &mut buffer[reading.packet]).unwrap();
            while let Some(packet) = packets.next(&mut room) {
                let packet = packet.unwrap();
                // The kernel's own questions for neighbours and routers are among them.
                if packet[6] == 17 {
                    assert_eq!(checksum(packet), 0);
                    received.extend_from_slice(&packet[48..]);
                }
            }
        }
        assert_eq!(received, sent);
    });
}

/// `UDP_SEGMENT` (`linux/udp.h`).
fn send_in_segments(socket: &std::net::UdpSocket, len: libc::c_int) {
    use std::os::fd::AsRawFd as _;
    // SAFETY: the socket is open, and the option is read from an integer that lives as long as the call.
    let outcome = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            libc::UDP_SEGMENT,
            (&raw const len).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    assert_eq!(outcome, 0);
}

#[test]
fn a_device_without_virtio_headers_takes_packets_as_they_are() {
    in_own_namespace(|| {
        let device = Device::from(create("v6tun0", false).unwrap());
        let tun = Tun::from_device("v6tun0", device);
        let up = std::process::Command::new("ip").args(["link", "set", "v6tun0", "up"]).status();
        if !up.is_ok_and(|status| status.success()) {
            eprintln!("skipped: `ip link set v6tun0 up` fails");
            return;
        }
        let packet = datagram(9, b"to nobody");
        assert_eq!(tun.write_batch([&*packet, &*packet].into_iter()), WriteReport::default());
    });
}

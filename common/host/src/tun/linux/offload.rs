//! What the kernel leaves to this process and takes from it in one piece: super-packets, and checksums to be completed.

#![expect(unsafe_code, reason = "these ioctls have no safe wrapper")]

use std::{io, os::fd::AsFd};

use rustix::ioctl::{IntegerSetter, ioctl, opcode};

use crate::offload::Joins;

/// `TUNSETOFFLOAD` (`linux/if_tun.h`).
const TUNSETOFFLOAD: rustix::ioctl::Opcode = opcode::write::<u32>(b'T', 208);
/// `TUN_F_*`: checksums, TCP over IPv6, TCP with ECN, UDP.
const CSUM: usize = 0x01;
const TSO6: usize = 0x04;
const TSO_ECN: usize = 0x08;
const USO4: usize = 0x20;
const USO6: usize = 0x40;

/// What the kernel was asked for, the best first. It takes both kinds of UDP or none (`set_offload` in
/// `drivers/net/tun.c`), and knows them since Linux 6.2.
const WISHES: [(usize, Joins); 2] =
    [(CSUM | TSO6 | TSO_ECN | USO4 | USO6, Joins::TcpAndUdp), (CSUM | TSO6 | TSO_ECN, Joins::Tcp)];

/// Asks the kernel for super-packets, and returns which of them it takes. Those of TCP every kernel takes that knows
/// virtio headers, even where it makes none.
pub(super) fn enable(device: impl AsFd) -> Joins {
    let is_granted = |(flags, _): &&(usize, Joins)| set(device.as_fd(), *flags).is_ok();
    WISHES.iter().find(is_granted).map_or(Joins::Tcp, |(_, joins)| *joins)
}

fn set(device: impl AsFd, flags: usize) -> io::Result<()> {
    // SAFETY: the opcode takes its argument as a number, in the place of a pointer.
    let setter = unsafe { IntegerSetter::<TUNSETOFFLOAD>::new_usize(flags) };
    // SAFETY: the call changes the device alone.
    Ok(unsafe { ioctl(device, setter) }?)
}

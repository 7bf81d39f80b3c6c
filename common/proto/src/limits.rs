//! Every bound of the core, with the sum that justifies it.

use std::time::Duration;

/// Bytes of the longest inner packet: one Ethernet frame's worth. The lent MTU is below it
/// (1440 over IPv4), so what is longer was not made by a peer that keeps to its lease.
pub const MAX_PACKET: usize = 1500;

/// Bytes that a WireGuard data message adds: 16 of header, 16 of authentication tag.
pub const DATA_OVERHEAD: usize = 32;

/// The most zero bytes by which a WireGuard peer may lengthen a packet (to a multiple of 16).
pub const MAX_PADDING: usize = 15;

/// Bytes of the longest outer datagram that is looked at: 1500 + 15 + 32.
pub const MAX_DATAGRAM: usize = MAX_PACKET + MAX_PADDING + DATA_OVERHEAD;

/// Bytes of an output slot. The WireGuard engine panics when its output buffer is smaller than
/// what it is given, so a slot holds the longest of each: a decrypted datagram (1547), an
/// encrypted packet (1532), a handshake initiation (148).
pub const SLOT: usize = 2048;

const _: () = assert!(MAX_DATAGRAM <= SLOT && MAX_PACKET + DATA_OVERHEAD <= SLOT && SLOT >= 148);

/// Datagrams or packets that one batch holds. Memory is one slot each, 1 MiB, of which the
/// kernel gives only the pages that are written.
pub const BATCH: usize = 512;

/// A data message with this counter or a greater one is not looked at: WireGuard's
/// REJECT_AFTER_MESSAGES, 2^64 - 2^13 - 1.
pub const REJECT_AFTER_MESSAGES: u64 = u64::MAX - (1 << 13);

/// The age of its session at which the client asks for another: WireGuard's REKEY_AFTER_TIME.
pub const REKEY_AFTER: Duration = Duration::from_secs(120);

/// The age at which no session is used any more: WireGuard's REJECT_AFTER_TIME.
pub const REJECT_AFTER: Duration = Duration::from_secs(180);

/// How often the WireGuard engine's timers are looked at while a session or handshake lives.
pub const SESSION_TICK: Duration = Duration::from_millis(250);

/// Handshake messages with a valid mac1 that are worked on each second before senders are asked
/// for a cookie: at 136 µs each, 3.4 % of a core.
pub const HANDSHAKES_PER_SECOND: u64 = 250;

/// The time between two handshake messages that one source may keep up: 20 a second.
pub const ADMISSION_INTERVAL: Duration = Duration::from_millis(50);

/// Handshake messages that one source may send at once.
pub const ADMISSION_BURST: u32 = 5;

/// Sources that the server's admission remembers: some 350 KiB when full.
pub const ADMISSION_SOURCES: usize = 4096;

/// Sources that the client's admission remembers: it expects one, its server.
pub const CLIENT_ADMISSION_SOURCES: usize = 64;

/// Remembered sources that are looked at to find one that can be forgotten.
pub const ADMISSION_PROBES: usize = 8;

/// Extension headers that are walked in one packet. RFC 8200 names six, each but one used once.
pub const MAX_EXTENSION_HEADERS: usize = 8;

/// Bytes of the longest control message, its envelope included.
pub const MAX_CONTROL: usize = 512;

/// Packets of one client that wait while its lease is brought up: 24 KB at the most.
pub const MAX_HELD_PACKETS: usize = 16;

/// Events that wait to be polled. The caller drains them into a channel of 256 and leaves here
/// what does not fit: one datagram causes three at the most, so there is room for those of 682
/// while nobody reads the channel. What does not fit here either is counted as `event-overflow`.
pub const MAX_EVENTS: usize = 2048;

/// Packets of one session that wait for its keys: 360 KB at the most. It is less than the engine's
/// own bound, so that the engine, which says nothing of what it discards, never has to: the rest
/// is room for the empty packets that it queues by itself.
pub const MAX_WAITING_PACKETS: usize = 240;

const _: () = assert!(MAX_WAITING_PACKETS < MAX_QUEUED_PACKETS);

/// Packets that leave the WireGuard engine's queue at once when a session begins; its own bound.
pub const MAX_QUEUED_PACKETS: usize = 256;

/// Unknown keys that the server remembers, so as to name each at most once a minute.
pub const MAX_UNKNOWN_KEYS: usize = 64;

/// How long somebody who came with an invitation may take to enrol: two round trips, and the server's disk.
pub const VISIT: Duration = Duration::from_secs(10);

/// Visits at one time: some 3 MiB. At the most handshakes a second that are worked on without cookies a visit
/// lasts a second at the least, also where somebody replays recorded handshakes.
pub const MAX_VISITORS: usize = 256;

/// Requests that one visit may make the server answer: one, and its repetitions after lost answers.
pub const MAX_VISIT_REQUESTS: usize = 16;

/// The smallest MTU of an IPv6 link (RFC 8200 section 5).
pub const MIN_MTU: u16 = 1280;

/// The time between two Packet Too Big that each end may keep up for one peer: 100 a second.
pub const TOO_BIG_INTERVAL: Duration = Duration::from_millis(10);

/// Packet Too Big that are made at once: as many connections learn of a smaller path together.
pub const TOO_BIG_BURST: u32 = 20;

/// Sizes that one round of the search for the path's MTU asks for at the most, beside the one that always fits.
pub const MAX_PROBES: usize = 9;

/// How long the server waits before it asks the host again for a lease that failed, or that
/// nothing was heard of.
pub const LEASE_RETRY: Duration = Duration::from_secs(5);

/// The least time between two events that tell of one client's moves.
pub const MOVE_INTERVAL: Duration = Duration::from_secs(1);

/// The longest time that a `bye` can make a client wait before it tries again.
pub const MAX_PAUSE: Duration = Duration::from_secs(60);

//! The bounds of everything here that grows with what others do, each with the sum that justifies it.

use std::time::Duration;

/// Buffers of one receive call. Each holds what the kernel may glue together (GRO), so eight of them take up to
/// 512 datagrams: as many as one batch of outputs holds at least.
pub const RECEIVE_BUFFERS: usize = 8;

/// Bytes of one receive buffer: the largest UDP payload, rounded up to a whole number of pages. All eight are
/// 512 KiB of address space; only the pages that traffic has filled become resident.
pub const RECEIVE_BUFFER_LEN: usize = 64 * 1024;

/// Datagrams that one send by segmentation offload carries at most (`UDP_MAX_SEGMENTS` of `linux/udp.h` is 64 in
/// the oldest kernels that have it).
pub const SEGMENTS: usize = 64;

/// Bytes that one send by segmentation offload carries at most: 65535 less an IPv6 and a UDP header, and 487 left
/// for options.
pub const SEGMENTED_LEN: usize = 65_000;

/// Bytes asked for as each socket's receive and send buffer: 270 ms of 125 Mb/s, about what one slow scheduling of
/// the data thread may cost. Kernel memory, and only while it is filled.
pub const SOCKET_BUFFER_LEN: usize = 4 * 1024 * 1024;

/// Places for peers whose way to this host is remembered, so that they are answered from the address that they sent
/// to: two for each of 2000 clients, of at most 128 bytes each, which are 512 KiB.
pub const LOCAL_ADDRESSES: usize = 4096;

/// Packets read from the tun in one turn, before the socket has its turn again: 64 of 1440 bytes are one full
/// segmented send.
pub const TUN_BURST: usize = 64;

/// Bytes of the buffer that is read into from the tun: the longest IPv6 packet without a jumbo payload (RFC 8200,
/// section 3) is 65575, and a virtio header is in front of it. Only the pages that traffic has filled become resident.
pub const TUN_BUFFER_LEN: usize = 65_600;

/// Bytes that a packet from the tun may have. The tun's MTU is at most 1500; a longer one is counted and dropped.
pub const TUN_PACKET_LEN: usize = 2048;

/// Queues for flows from the tun: two of a hundred flows share one with odds of a third, and then only wait for each
/// other. 256 of 120 bytes are 30 KiB.
pub const QUEUE_FLOWS: u16 = 256;

/// Packets from the tun that wait at the most, long ones included: 512 in short buffers are 1 MiB, and half of what
/// 1200-byte datagrams at 1 Gb/s bring in 10 ms.
pub const QUEUE_PACKETS: usize = 512;

/// Long packets among them, each in a buffer of [`TUN_BUFFER_LEN`]: 2 MiB in all, which at 4 Gb/s are 4 ms.
pub const QUEUE_LONG: usize = 32;

/// Bytes that a flow may send before the next one has its turn. What has less to send than this whenever it sends
/// goes before all bulk: two full packets, and a few small ones.
pub const QUEUE_QUANTUM: isize = 4096;

/// How long packets may wait in a queue that stands, and for how long it must have stood before its sender is told: the
/// values that RFC 8289 (section 4.3) recommends for paths of the Internet.
pub const QUEUE_TARGET: Duration = Duration::from_millis(5);
/// See [`QUEUE_TARGET`].
pub const QUEUE_INTERVAL: Duration = Duration::from_millis(100);

/// Packets, or super-packets, that are read from the tun in one turn and sorted: bounds the time until the first of
/// them is served.
pub const TUN_READS: usize = 64;

/// Bytes of each of wintun's two rings, a power of two from 128 KiB to 64 MiB: 2 MiB hold 1400 packets of 1440 bytes,
/// which at 1 Gb/s are 16 ms, as long as Windows may take to schedule a thread.
pub const WINTUN_RING_LEN: u32 = 2 * 1024 * 1024;

/// How long segmentation offload rests for a segment length that the kernel has refused, as the path's MTU may
/// have been the reason: one wasted system call in this time.
pub const SEGMENTATION_REST: Duration = Duration::from_secs(10);

/// Connections to the control socket that are served at once: one administrator and a monitor or two, with room.
pub const CONTROL_CONNECTIONS: usize = 16;

/// Bytes of one request on the control socket, its newline included: many times what the few words of one take, and
/// 1 MiB for all connections.
pub const CONTROL_REQUEST_LEN: usize = 64 * 1024;

/// Bytes of one answer on the control socket, its newline included. A client's status is at most 400 bytes of JSON
/// (names of the fields 109, name 63, key 44, address 39, lease 7, endpoint 58, three numbers of 20), so 2000 clients
/// take 800 000. All connections at once take 16 MiB, while they are answered.
pub const CONTROL_ANSWER_LEN: usize = 1024 * 1024;

/// How long one side of the control socket waits for the other.
pub const CONTROL_PATIENCE: Duration = Duration::from_secs(5);

/// How long accepting rests after the kernel refused it, as without descriptors: ten log lines a second at most.
pub const ACCEPT_REST: Duration = Duration::from_millis(100);

/// How often a named pipe is tried again whose instances are all taken: each is for the time of one answer.
pub const PIPE_RETRY: Duration = Duration::from_millis(10);

/// How often a lock that somebody else holds is tried again.
pub const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Bytes read of a lock file, which holds one process id.
pub const LOCK_FILE_LEN: u64 = 32;

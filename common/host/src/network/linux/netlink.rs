//! Asking the kernel by rtnetlink.

use std::io;

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkDeserializable, NetlinkMessage,
    NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// How often a dump is taken again that changed while it was taken.
const DUMP_ATTEMPTS: usize = 10;

/// The kernel's rtnetlink, in the network namespace of the thread that asks.
///
/// Each request has a socket of its own, so that what goes wrong with one costs no other. The kernel carries an order
/// out, and begins a dump, within the system call that sends it: nobody waits for long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Netlink;

/// What the kernel has answered.
struct Answers {
    messages: Vec<RouteNetlinkMessage>,
    /// Whether nothing changed meanwhile.
    are_consistent: bool,
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        connect().map(|_socket| Self)
    }

    /// Everything of a kind, as it stood at one moment.
    pub(super) async fn dump(self, message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..DUMP_ATTEMPTS {
            let Answers { messages, are_consistent } = ask(message.clone(), NLM_F_DUMP)?;
            if are_consistent {
                return Ok(messages);
            }
        }
        Err(io::Error::other("it kept changing while it was read"))
    }

    /// One order, done when this returns.
    pub(super) async fn order(self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        ask(message, NLM_F_ACK | flags).map(drop)
    }

    /// One question with one answer.
    pub(super) async fn question(
        self,
        message: RouteNetlinkMessage,
    ) -> io::Result<Option<RouteNetlinkMessage>> {
        Ok(ask(message, NLM_F_ACK)?.messages.into_iter().next())
    }
}

fn connect() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// Only what the kernel itself has ended, by the end of a dump or an acknowledgement, is an answer.
fn ask(message: RouteNetlinkMessage, flags: u16) -> io::Result<Answers> {
    let mut request = NetlinkMessage::from(message);
    request.header.flags = NLM_F_REQUEST | flags;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    let socket = connect()?;
    socket.send(&bytes, 0)?;
    let mut answers = Answers { messages: Vec::new(), are_consistent: true };
    loop {
        let bytes = receive(&socket)?;
        for message in messages::<RouteNetlinkMessage>(&bytes) {
            answers.are_consistent &= message.header.flags & NLM_F_DUMP_INTR == 0;
            match message.payload {
                NetlinkPayload::InnerMessage(inner) => answers.messages.push(inner),
                NetlinkPayload::Done(done) if done.code != 0 => {
                    return Err(io::Error::from_raw_os_error(done.code.saturating_abs()));
                }
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Done(_) | NetlinkPayload::Error(_) => return Ok(answers),
                NetlinkPayload::Overrun(_) => answers.are_consistent = false,
                _ => {}
            }
        }
    }
}

fn receive(socket: &Socket) -> io::Result<Vec<u8>> {
    loop {
        match socket.recv_from_full() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            received => return received.map(|(bytes, _)| bytes),
        }
    }
}

/// The messages of one datagram. One that cannot be read, as of a kernel that is newer than its decoder, costs no other.
fn messages<T: NetlinkDeserializable>(bytes: &[u8]) -> impl Iterator<Item = NetlinkMessage<T>> {
    /// Of `nlmsghdr`, which begins with the length of the whole message.
    const HEADER: usize = 16;
    let mut rest = bytes;
    let next = move || {
        let length = u32::from_ne_bytes(rest.first_chunk().copied()?) as usize;
        let (message, others) = rest.split_at(length.next_multiple_of(4).max(HEADER).min(rest.len()));
        rest = others;
        Some(NetlinkMessage::<T>::deserialize(message))
    };
    std::iter::from_fn(next).filter_map(|message| {
        message
            .inspect_err(|error| tracing::debug!("a message of the kernel is not understood: {error}"))
            .ok()
    })
}

/// Several orders in one `sendmsg`: the kernel carries all of them out before the system call returns, so
/// that a process that is killed has sent either all or none. Returns each order's result.
pub(super) fn orders_in_one_breath(
    orders: Vec<(RouteNetlinkMessage, u16)>,
) -> io::Result<Vec<io::Result<()>>> {
    if orders.is_empty() {
        // The kernel refuses an empty message.
        return Ok(Vec::new());
    }
    let count = orders.len();
    let mut bytes = Vec::new();
    for (number, (message, flags)) in (1..).zip(orders) {
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        message.header.sequence_number = number;
        message.finalize();
        let start = bytes.len();
        bytes.resize(start + message.buffer_len().next_multiple_of(4), 0);
        message.serialize(&mut bytes[start..]);
    }
    let socket = connect()?;
    socket.send(&bytes, 0)?;
    receive_results(&socket, count)
}

fn receive_results(socket: &Socket, count: usize) -> io::Result<Vec<io::Result<()>>> {
    let mut results = Vec::with_capacity(count);
    while results.len() < count {
        for message in messages::<RouteNetlinkMessage>(&receive(socket)?) {
            if let NetlinkPayload::Error(error) = &message.payload {
                results.push(if error.code.is_some() { Err(error.to_io()) } else { Ok(()) });
            }
        }
    }
    Ok(results)
}

//! Asking the kernel by rtnetlink.

use std::io;

use futures_util::StreamExt;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

/// How often a dump is taken again that changed while it was taken.
const DUMP_ATTEMPTS: usize = 10;

/// A connection to the kernel's rtnetlink. It ends with its last clone.
#[derive(Debug, Clone)]
pub(super) struct Netlink(rtnetlink::Handle);

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        let (connection, handle, _unsolicited) = rtnetlink::new_connection()?;
        tokio::spawn(connection);
        Ok(Self(handle))
    }

    /// Everything of a kind, as it stood at one moment.
    pub(super) async fn dump(&self, message: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
        for _ in 0..DUMP_ATTEMPTS {
            let (answers, consistent) = self.ask(message.clone(), NLM_F_DUMP).await?;
            if consistent {
                return Ok(answers);
            }
        }
        Err(io::Error::other("it kept changing while it was read"))
    }

    /// One order, done when this returns.
    pub(super) async fn order(&self, message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.ask(message, NLM_F_ACK | flags).await.map(drop)
    }

    /// One question with one answer.
    pub(super) async fn question(
        &self,
        message: RouteNetlinkMessage,
    ) -> io::Result<Option<RouteNetlinkMessage>> {
        let (answers, _) = self.ask(message, 0).await?;
        Ok(answers.into_iter().next())
    }

    async fn ask(
        &self,
        message: RouteNetlinkMessage,
        flags: u16,
    ) -> io::Result<(Vec<RouteNetlinkMessage>, bool)> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        let mut stream = self.0.clone().request(request).map_err(io::Error::other)?;
        let (mut answers, mut consistent) = (Vec::new(), true);
        while let Some(answer) = stream.next().await {
            consistent &= answer.header.flags & NLM_F_DUMP_INTR == 0;
            match answer.payload {
                NetlinkPayload::InnerMessage(inner) => answers.push(inner),
                NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                NetlinkPayload::Overrun(_) => consistent = false,
                _ => {}
            }
        }
        Ok((answers, consistent))
    }
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
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    socket.send(&bytes, 0)?;
    receive_results(&socket, count)
}

fn receive_results(socket: &Socket, count: usize) -> io::Result<Vec<io::Result<()>>> {
    let mut results = Vec::with_capacity(count);
    while results.len() < count {
        let (bytes, _) = socket.recv_from_full()?;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() && results.len() < count {
            let message =
                NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
            if let NetlinkPayload::Error(error) = &message.payload {
                results.push(if error.code.is_some() { Err(error.to_io()) } else { Ok(()) });
            }
            let length = (message.header.length as usize).next_multiple_of(4).max(16);
            rest = rest.get(length..).unwrap_or(&[]);
        }
    }
    Ok(results)
}

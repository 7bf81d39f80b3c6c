//! Sending: neighbours of equal size to one destination leave in one system call (UDP GSO).

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use quinn_udp::{EcnCodepoint, Transmit, UdpSockRef};

use super::{
    UdpSocket,
    platform::{
        says_bad_source, says_full, says_no_segmentation, says_segment_too_long, says_too_long, set_fragments,
    },
};
use crate::limits::{SEGMENTATION_REST, SEGMENTED_LEN, SEGMENTS};

/// A datagram to be sent: where to, and where in the batch's bytes it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutgoingDatagram {
    /// Where it goes.
    pub destination: SocketAddr,
    /// Its first byte, counted from the batch's start.
    pub start: usize,
    /// Its length in bytes.
    pub len: usize,
    /// The two bits of its header that tell of congestion (RFC 3168, section 5), 0 to 3.
    pub ecn: u8,
    /// Whether this host and the routers may cut it; else it arrives whole or not at all.
    pub may_be_fragmented: bool,
}

/// How many datagrams of a batch were not sent, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SendReport {
    /// The socket's buffer was full.
    pub full: u64,
    /// The kernel refused it: no route, no permission, no address.
    pub refused: u64,
    /// It is longer than the kernel sends at all.
    pub too_long: u64,
}

impl UdpSocket {
    /// Sends a batch. What cannot be sent at once is counted, never kept: the tunnel's own retries and those of the
    /// traffic inside it are made for loss.
    ///
    /// A batch, which may be empty, ends the turn of what was received before it: a peer that is answered in it is
    /// answered from the address that it sent to, from then on. What is received changes nothing by itself.
    pub fn send_batch(
        &mut self,
        bytes: &[u8],
        datagrams: impl Iterator<Item = OutgoingDatagram>,
    ) -> SendReport {
        let mut report = SendReport::default();
        let mut datagrams = datagrams.peekable();
        while let Some(first) = datagrams.next() {
            let mut train = Train::new(first);
            let segments = self.segmentation.segments(first.len);
            while let Some(next) = datagrams.next_if(|next| train.takes(next, segments)) {
                train.push(next);
            }
            self.send_train(bytes, &train, &mut report);
        }
        self.locals.end_turn();
        report
    }

    fn send_train(&mut self, bytes: &[u8], train: &Train, report: &mut SendReport) {
        let Some(contents) = bytes.get(train.start..train.end) else {
            report.refused += train.count as u64;
            return;
        };
        // The kernel answers EINVAL to port 0, which would look like a refusal of segmentation.
        if train.destination.port() == 0 {
            report.refused += train.count as u64;
            return;
        }
        if let Err(error) = self.set_fragments(train.may_be_fragmented) {
            report.note(&error, train.count as u64);
            return;
        }
        match self.transmit(train, contents, Some(train.segment_len)) {
            Ok(()) => {}
            Err(error) if train.count > 1 && self.segmentation.note_refusal(&error, train.segment_len) => {
                for datagram in contents.chunks(train.segment_len.max(1)) {
                    if let Err(error) = self.transmit(train, datagram, None) {
                        report.note(&error, 1);
                    }
                }
            }
            Err(error) => report.note(&error, train.count as u64),
        }
    }

    /// The option is the socket's: it changes where a train is of another kind than the one before, which is rare.
    fn set_fragments(&mut self, allowed: bool) -> io::Result<()> {
        if self.may_fragment != allowed {
            set_fragments(&self.socket, self.local.is_ipv6(), allowed)?;
            self.may_fragment = allowed;
        }
        Ok(())
    }

    /// Sends from where the peer has sent to; from where the kernel chooses if that is no longer possible.
    fn transmit(&mut self, train: &Train, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        let destination = train.destination;
        let src_ip = self.locals.answer(destination);
        let outcome = self.try_transmit(train, contents, segment_size, src_ip);
        // Of a train it may be the segmentation that is refused: its datagrams will tell, one by one.
        let is_one = segment_size.is_none_or(|len| len >= contents.len());
        match outcome {
            Err(error) if src_ip.is_some() && is_one && says_bad_source(&error) => {
                self.locals.forget(destination);
                self.try_transmit(train, contents, segment_size, None)
            }
            outcome => outcome,
        }
    }

    fn try_transmit(
        &self,
        train: &Train,
        contents: &[u8],
        segment_size: Option<usize>,
        src_ip: Option<IpAddr>,
    ) -> io::Result<()> {
        let destination = self.to_socket_family(train.destination);
        let ecn = EcnCodepoint::from_bits(train.ecn);
        let transmit = Transmit { destination, ecn, contents, segment_size, src_ip };
        self.state.try_send(UdpSockRef::from(&self.socket), &transmit)
    }
}

impl SendReport {
    fn note(&mut self, error: &io::Error, count: u64) {
        let counter = match error {
            error if says_full(error) => &mut self.full,
            error if says_too_long(error) => &mut self.too_long,
            _ => &mut self.refused,
        };
        *counter += count;
    }
}

/// Neighbours in the batch that one system call sends: all of one length, but for a shorter last one, and of one header.
#[derive(Debug)]
struct Train {
    destination: SocketAddr,
    start: usize,
    end: usize,
    segment_len: usize,
    count: usize,
    closed: bool,
    ecn: u8,
    may_be_fragmented: bool,
}

impl Train {
    fn new(first: OutgoingDatagram) -> Self {
        let OutgoingDatagram { destination, start, len, ecn, may_be_fragmented } = first;
        Self {
            destination,
            start,
            end: start.saturating_add(len),
            segment_len: len,
            count: 1,
            closed: len == 0,
            ecn,
            may_be_fragmented,
        }
    }

    fn takes(&self, next: &OutgoingDatagram, segments: usize) -> bool {
        !self.closed
            && self.count < segments
            && next.destination == self.destination
            && next.ecn == self.ecn
            && next.may_be_fragmented == self.may_be_fragmented
            && next.start == self.end
            && (1..=self.segment_len).contains(&next.len)
            && self.end - self.start + next.len <= SEGMENTED_LEN
    }

    fn push(&mut self, next: OutgoingDatagram) {
        self.end += next.len;
        self.count += 1;
        self.closed = next.len < self.segment_len;
    }
}

/// What this host's kernel and devices make of segmentation offload.
#[derive(Debug)]
pub(super) struct Segmentation {
    segments: usize,
    /// Segments of this length and more were refused, and rest until then.
    refused: Option<(usize, Instant)>,
}

impl Segmentation {
    pub(super) fn new(supported: usize) -> Self {
        Self { segments: supported.clamp(1, SEGMENTS), refused: None }
    }

    /// How many datagrams of this length may leave in one call.
    fn segments(&mut self, len: usize) -> usize {
        match self.refused {
            Some((refused, until)) if len >= refused => {
                if Instant::now() < until {
                    return 1;
                }
                self.refused = None;
                self.segments
            }
            _ => self.segments,
        }
    }

    /// Whether the error says that the train should go out one by one.
    fn note_refusal(&mut self, error: &io::Error, segment_len: usize) -> bool {
        if says_no_segmentation(error) {
            self.segments = 1;
        } else if says_segment_too_long(error) {
            self.refused = Some((segment_len, Instant::now() + SEGMENTATION_REST));
        } else {
            return false;
        }
        true
    }
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use std::net::Ipv4Addr;
    #[cfg(windows)]
    use std::net::Ipv6Addr;

    use super::*;
    use crate::udp::ReceiveBuffers;

    #[cfg(unix)]
    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    /// Wine, where these tests run, has no IPv4 socket that can be asked whether it is for IPv6 alone.
    #[cfg(windows)]
    const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), 0);

    fn loopback() -> UdpSocket {
        UdpSocket::bind(LOOPBACK).unwrap()
    }

    fn lay_out(destinations: &[(SocketAddr, usize)]) -> (Vec<u8>, Vec<OutgoingDatagram>) {
        let mut bytes = Vec::new();
        let mut datagrams = Vec::new();
        for (number, &(destination, len)) in destinations.iter().enumerate() {
            let start = bytes.len();
            datagrams.push(OutgoingDatagram { destination, start, len, ecn: 0, may_be_fragmented: true });
            bytes.resize(bytes.len() + len, number as u8);
        }
        (bytes, datagrams)
    }

    /// Datagrams on the loopback are in the receiver's queue when the send returns.
    fn receive_all(socket: &mut UdpSocket) -> Vec<(SocketAddr, Vec<u8>)> {
        let mut buffers = ReceiveBuffers::new();
        let mut all = Vec::new();
        while socket.receive_batch(&mut buffers).is_ok() {
            all.extend(buffers.iter().map(|one| (one.source, one.datagram.to_vec())));
        }
        all
    }

    #[test]
    fn a_batch_arrives_datagram_by_datagram_whatever_the_trains_it_left_in() {
        let (mut sender, mut receiver, mut other) = (loopback(), loopback(), loopback());
        let (to, elsewhere) = (receiver.local_address(), other.local_address());
        let lens = [1400, 1400, 1400, 700, 1400, 32, 32];
        let mut wanted: Vec<_> = lens.iter().map(|&len| (to, len)).collect();
        wanted.insert(2, (elsewhere, 1400));
        let (bytes, datagrams) = lay_out(&wanted);

        let report = sender.send_batch(&bytes, datagrams.into_iter());

        assert_eq!(report, SendReport::default());
        let received = receive_all(&mut receiver);
        assert_eq!(received.iter().map(|(_, one)| one.len()).collect::<Vec<_>>(), lens);
        assert!(
            received
                .iter()
                .all(|(source, one)| *source == sender.local_address()
                    && one.iter().all(|byte| *byte == one[0]))
        );
        assert_eq!(receive_all(&mut other).len(), 1);
    }

    #[test]
    fn more_than_one_call_carries_is_sent_in_several() {
        let (mut sender, mut receiver) = (loopback(), loopback());
        let (bytes, datagrams) = lay_out(&[(receiver.local_address(), 1452); 150]);
        assert_eq!(sender.send_batch(&bytes, datagrams.into_iter()), SendReport::default());
        assert_eq!(receive_all(&mut receiver).len(), 150);
    }

    #[cfg(unix)]
    #[test]
    fn a_dual_stack_socket_and_an_ipv4_one_understand_each_other() {
        let (mut both, mut four) = (UdpSocket::bind_any(0).unwrap(), loopback());
        let port = both.local_address().port();
        let (bytes, datagrams) = lay_out(&[(SocketAddr::from(([127, 0, 0, 1], port)), 100)]);
        assert_eq!(four.send_batch(&bytes, datagrams.into_iter()), SendReport::default());
        let received = receive_all(&mut both);
        assert_eq!(received[0].0, four.local_address(), "canonical, not v4-mapped");

        let (bytes, datagrams) = lay_out(&[(received[0].0, 100); 3]);
        assert_eq!(both.send_batch(&bytes, datagrams.into_iter()), SendReport::default());
        assert_eq!(receive_all(&mut four).len(), 3);
    }

    #[test]
    fn port_zero_is_refused_without_giving_up_segmentation() {
        let (mut sender, mut receiver) = (loopback(), loopback());
        let nowhere = LOOPBACK;
        let (bytes, datagrams) = lay_out(&[(nowhere, 100), (nowhere, 100), (receiver.local_address(), 100)]);
        let before = sender.segmentation.segments(100);
        let report = sender.send_batch(&bytes, datagrams.into_iter());
        assert_eq!(report, SendReport { refused: 2, ..SendReport::default() });
        assert_eq!(receive_all(&mut receiver).len(), 1);
        assert_eq!(sender.segmentation.segments(100), before);
    }

    #[cfg(unix)]
    #[test]
    fn a_refused_segment_length_rests_and_shorter_ones_go_on() {
        let mut segmentation = Segmentation::new(64);
        assert!(segmentation.note_refusal(&io::Error::from_raw_os_error(libc::EINVAL), 1400));
        assert_eq!(segmentation.segments(1400), 1);
        assert_eq!(segmentation.segments(1399), 64);
        assert!(segmentation.note_refusal(&io::Error::from_raw_os_error(libc::EIO), 1400));
        assert_eq!(segmentation.segments(100), 1);
    }

    #[test]
    fn a_full_socket_is_no_reason_to_send_one_by_one() {
        let mut segmentation = Segmentation::new(64);
        assert!(!segmentation.note_refusal(&io::ErrorKind::WouldBlock.into(), 1400));
    }
}

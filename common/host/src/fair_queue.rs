//! What the kernel has routed to the tun and the tunnel has not taken yet: a queue for each flow, each served in its
//! turn (FQ-CoDel, RFC 8290).
//!
//! The tun's own queue is one for all: behind a bulk transfer that is faster than the tunnel everything else waits for
//! milliseconds. So all that waits there is read at once and sorted here. A flow that sends little finds its queue
//! empty and goes first; one that keeps its queue full waits behind itself alone, and is told to slow down: by a mark
//! where it knows ECN, else by the loss of a single packet.
//!
//! Packets of a flow leave in the order in which they came. It is pure: the clock's `now` is an argument.

mod codel;
mod flow_key;
mod list;

use std::{mem, ops::Range, time::Instant};

use self::{
    codel::CoDel,
    flow_key::FlowHasher,
    list::{Chained, List},
};
use crate::{
    limits::{QUEUE_FLOWS, QUEUE_LONG, QUEUE_PACKETS, QUEUE_QUANTUM, TUN_BUFFER_LEN, TUN_PACKET_LEN},
    offload::{VirtioHeader, mark_congestion},
};

type LongBuffer = Box<[u8; TUN_BUFFER_LEN]>;

/// The queues of all flows. Its memory grows to what ever waited at the most, within the bounds of
/// [`limits`](crate::limits), and is used again.
#[derive(Debug)]
pub struct FairQueue {
    hasher: FlowHasher,
    flows: Vec<Flow>,
    /// Flows that have just begun to wait, and those that have waited for longer.
    new: List,
    old: List,
    /// How many packets wait.
    waiting: usize,
    slots: Vec<Slot>,
    free: List,
    /// The slot whose packet was handed out last.
    served: Option<u16>,
    /// Buffers for long packets that hold none, and how many there are in all.
    long: Vec<LongBuffer>,
    long_made: usize,
    /// Where the tun is read into.
    spare: LongBuffer,
}

/// A packet whose turn it is.
#[derive(Debug)]
pub struct Served<'q> {
    /// What the kernel said of it.
    pub header: VirtioHeader,
    /// Its bytes.
    pub packet: &'q mut [u8],
    /// Its first segment is to be dropped, for its sender to slow down.
    pub loses_one: bool,
}

#[derive(Clone, Debug, Default)]
struct Flow {
    packets: List,
    /// Bytes of its packets.
    bytes: usize,
    /// Bytes that it may send before the next flow has its turn.
    credit: isize,
    codel: CoDel,
    is_listed: bool,
    next: Option<u16>,
}

/// A place for a packet.
#[derive(Debug)]
struct Slot {
    short: Box<[u8; TUN_PACKET_LEN]>,
    /// Has the packet instead, if it is longer.
    long: Option<LongBuffer>,
    range: Range<usize>,
    header: VirtioHeader,
    since: Instant,
    next: Option<u16>,
}

impl FairQueue {
    /// Nothing waits, and no memory is taken yet but the room that the tun is read into.
    #[must_use]
    pub fn new() -> Self {
        Self {
            hasher: FlowHasher::default(),
            flows: vec![Flow::default(); usize::from(QUEUE_FLOWS)],
            new: List::default(),
            old: List::default(),
            waiting: 0,
            slots: Vec::new(),
            free: List::default(),
            served: None,
            long: Vec::new(),
            long_made: 0,
            spare: Box::new([0; TUN_BUFFER_LEN]),
        }
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Room to read a packet into, which [`push`](Self::push) then takes.
    pub fn room(&mut self) -> &mut [u8] {
        self.spare.as_mut_slice()
    }

    /// Takes the packet that lies at `range` in the [`room`](Self::room). Returns how many packets of whichever flow
    /// holds most had to be dropped for it.
    pub fn push(&mut self, header: VirtioHeader, range: Range<usize>, now: Instant) -> u64 {
        self.release();
        let Some(packet) = self.spare.get(range.clone()) else { return 0 };
        let (place, len) = (self.hasher.place(packet), packet.len());
        let is_long = len > TUN_PACKET_LEN;
        // What is dropped may be of the other length, and make no room for this one.
        let dropped = if self.has_room(is_long) { 0 } else { self.drop_of_the_longest() };
        if !self.has_room(is_long) {
            return dropped + header.packets(len);
        }
        let Some(index) = self.free.pop(&mut self.slots).or_else(|| self.new_slot(now)) else {
            return dropped + header.packets(len);
        };
        let Some(slot) = self.slots.get_mut(usize::from(index)) else { return dropped };
        (slot.header, slot.since) = (header, now);
        if is_long {
            let empty = self.long.pop().unwrap_or_else(|| {
                self.long_made += 1;
                Box::new([0; TUN_BUFFER_LEN])
            });
            slot.long = Some(mem::replace(&mut self.spare, empty));
            slot.range = range;
        } else if let (Some(room), Some(packet)) = (slot.short.get_mut(..len), self.spare.get(range)) {
            room.copy_from_slice(packet);
            slot.range = 0..len;
        }
        let Some(flow) = self.flows.get_mut(usize::from(place)) else { return dropped };
        flow.packets.push(&mut self.slots, index);
        self.waiting += 1;
        flow.bytes += len;
        if !flow.is_listed {
            (flow.is_listed, flow.credit) = (true, QUEUE_QUANTUM);
            self.new.push(&mut self.flows, place);
        }
        dropped
    }

    /// The next packet; `None` when nothing waits.
    pub fn pop(&mut self, now: Instant) -> Option<Served<'_>> {
        self.release();
        let place = self.next_flow()?;
        let flow = self.flows.get_mut(usize::from(place))?;
        let index = flow.packets.pop(&mut self.slots)?;
        self.waiting -= 1;
        let slot = self.slots.get_mut(usize::from(index))?;
        let len = slot.range.len();
        flow.bytes = flow.bytes.saturating_sub(len);
        flow.credit = flow.credit.saturating_sub_unsigned(len);
        let slow_down = flow.codel.judge(slot.since, flow.packets.is_empty(), now);
        self.served = Some(index);
        let bytes = slot.long.as_mut().map_or(slot.short.as_mut_slice(), |long| long.as_mut_slice());
        let packet = bytes.get_mut(slot.range.clone())?;
        let loses_one = slow_down && !mark_congestion(packet);
        Some(Served { header: slot.header, packet, loses_one })
    }

    /// The flow whose turn it is (RFC 8290, section 4.2): it has a packet.
    fn next_flow(&mut self) -> Option<u16> {
        loop {
            let (list, is_new) =
                if self.new.is_empty() { (&mut self.old, false) } else { (&mut self.new, true) };
            let place = list.first()?;
            let flow = self.flows.get_mut(usize::from(place))?;
            if flow.credit > 0 && !flow.packets.is_empty() {
                return Some(place);
            }
            list.pop(&mut self.flows);
            let flow = self.flows.get_mut(usize::from(place))?;
            if flow.packets.is_empty() && !is_new {
                flow.is_listed = false;
                continue;
            }
            // A new flow that is empty goes round once with the old ones: else it could starve them by coming anew.
            if flow.credit <= 0 {
                flow.credit += QUEUE_QUANTUM;
            }
            self.old.push(&mut self.flows, place);
        }
    }

    fn has_room(&self, is_long: bool) -> bool {
        let has_slot = !self.free.is_empty() || self.slots.len() < QUEUE_PACKETS;
        has_slot && (!is_long || !self.long.is_empty() || self.long_made < QUEUE_LONG)
    }

    fn new_slot(&mut self, now: Instant) -> Option<u16> {
        let index = u16::try_from(self.slots.len()).ok()?;
        let short = Box::new([0; TUN_PACKET_LEN]);
        let header = VirtioHeader::PLAIN;
        self.slots.push(Slot { short, long: None, range: 0..0, header, since: now, next: None });
        Some(index)
    }

    /// Drops the oldest packet of the flow that holds most, and says how many packets it was.
    fn drop_of_the_longest(&mut self) -> u64 {
        let Some(flow) = self.flows.iter_mut().max_by_key(|flow| flow.bytes) else { return 0 };
        let Some(index) = flow.packets.pop(&mut self.slots) else { return 0 };
        self.waiting -= 1;
        let Some(slot) = self.slots.get(usize::from(index)) else { return 0 };
        let len = slot.range.len();
        flow.bytes = flow.bytes.saturating_sub(len);
        let count = slot.header.packets(len);
        self.put_back(index);
        count
    }

    /// What was handed out is done with.
    fn release(&mut self) {
        if let Some(index) = self.served.take() {
            self.put_back(index);
        }
    }

    fn put_back(&mut self, index: u16) {
        let long = self.slots.get_mut(usize::from(index)).and_then(|slot| slot.long.take());
        self.long.extend(long);
        self.free.push(&mut self.slots, index);
    }
}

impl Default for FairQueue {
    fn default() -> Self {
        Self::new()
    }
}

impl Chained for Flow {
    fn next(&mut self) -> &mut Option<u16> {
        &mut self.next
    }
}

impl Chained for Slot {
    fn next(&mut self) -> &mut Option<u16> {
        &mut self.next
    }
}

#[cfg(test)]
mod tests;

//! Addresses that are put back answer and receive at once.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::sync::Notify;

use super::addresses::{pool, stand_ins, vps};
use super::*;

/// The other end of the uplink.
const FAR_END: &str = "ens3-far";
/// Who lives there, in the prefix of the sixteen.
const NEIGHBOUR: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

/// Moves the far end of the uplink to a namespace of its own, and gives the neighbour that lives there its job.
async fn neighbour<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let (name, its_id) = mpsc::channel();
    let (moved, is_moved) = mpsc::channel::<()>();
    let (ready, is_ready) = mpsc::channel::<()>();
    let neighbour = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        name.send(nix::unistd::gettid()).unwrap();
        is_moved.recv().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let network = Network::open().unwrap();
            network.sysctls.write(&key(FAR_END, "accept_dad"), "0").unwrap();
            set_up(FAR_END).await;
            let address = plain(NEIGHBOUR, 64);
            network.apply(&Change::AddAddress { link: FAR_END.into(), address }).await.unwrap();
            network.settle(&[NEIGHBOUR]).await.unwrap();
        });
        ready.send(()).unwrap();
        job()
    });
    let id = its_id.recv().unwrap().as_raw().unsigned_abs();
    handle().link().set(LinkUnspec::new_with_name(FAR_END).setns_by_pid(id).build()).execute().await.unwrap();
    moved.send(()).unwrap();
    is_ready.recv().unwrap();
    neighbour
}

/// Echo requests (RFC 4443, section 4), one as soon as the one before is answered.
#[derive(Default)]
struct Pings {
    sent: AtomicU32,
    answered: AtomicU32,
    one_is_answered: Notify,
    are_enough: AtomicBool,
}

impl Pings {
    fn send_to(&self, target: Ipv6Addr) {
        const REQUEST: u8 = 128;
        const REPLY: u8 = 129;
        /// Of one that comes not; it may still come later.
        const PATIENCE: Duration = Duration::from_millis(20);
        /// With the last.
        const MOST_PATIENCE: Duration = Duration::from_secs(5);
        let mut socket = Socket::new(Domain::IPV6, Type::RAW, Some(Protocol::ICMPV6)).unwrap();
        let target = SocketAddr::from((target, 0)).into();
        // The number of the ping that is answered; none when patience ends.
        let answer = |socket: &mut Socket| {
            let mut packet = [0; 64];
            while socket.read(&mut packet).is_ok() {
                if packet[0] == REPLY {
                    self.answered.fetch_add(1, Ordering::SeqCst);
                    self.one_is_answered.notify_one();
                    return packet[4..8].first_chunk().copied().map(u32::from_be_bytes);
                }
            }
            None
        };
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        while !self.are_enough.load(Ordering::SeqCst) {
            let number = self.sent.fetch_add(1, Ordering::SeqCst);
            let request = [[REQUEST, 0, 0, 0], number.to_be_bytes()].concat();
            socket.send_to(&request, &target).unwrap();
            while answer(&mut socket).is_some_and(|answered| answered != number) {}
        }
        socket.set_read_timeout(Some(MOST_PATIENCE)).unwrap();
        while self.lost() > 0 && answer(&mut socket).is_some() {}
    }

    /// Waits until the neighbours know each other.
    async fn begin(&self) {
        let first = self.one_is_answered.notified();
        tokio::time::timeout(Duration::from_secs(20), first).await.expect("the neighbour is answered");
    }

    fn lost(&self) -> u32 {
        self.sent.load(Ordering::SeqCst) - self.answered.load(Ordering::SeqCst)
    }
}

/// Keeps the kernel's lock of its network settings (`rtnl_lock`) busy in a namespace of its own, as a busy host does: what
/// the kernel does in its own time then takes its time.
fn keep_the_kernel_busy(pings: &Arc<Pings>) -> JoinHandle<()> {
    let pings = Arc::clone(pings);
    std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let network = Network::open().unwrap();
            while !pings.are_enough.load(Ordering::SeqCst) {
                handle().link().add(LinkVeth::new(UPLINK, FAR_END).build()).execute().await.unwrap();
                network.apply(&Change::DeleteTun { link: UPLINK.into() }).await.unwrap();
            }
        });
    })
}

/// How many may be lost where a look-up in the kernel meets the very change of the table (`net/ipv6/ip6_fib.c`): with
/// stand-ins one in ten thousand raises, without them dozens in a thousand.
const UNLUCKY: u32 = 3;

#[test]
fn what_arrives_while_an_address_is_raised_is_received() {
    in_namespace(async |network| {
        vps(&network).await;
        let address = pool(0x233f);
        let pings = Arc::new(Pings::default());
        let pinging = Arc::clone(&pings);
        let pinging = neighbour(move || pinging.send_to(address)).await;
        let raise =
            Change::RaiseAddress { link: UPLINK.into(), address: plain(address, 64), order: Vec::new() };
        pings.begin().await;
        let busy = keep_the_kernel_busy(&pings);
        for _ in 0..300 {
            let _stand_ins = network.stand_in(std::slice::from_ref(&raise)).await.unwrap();
            network.apply(&raise).await.unwrap();
            network.settle(&[address]).await.unwrap();
        }
        pings.are_enough.store(true, Ordering::SeqCst);
        busy.join().unwrap();
        pinging.join().unwrap();
        assert!(pings.lost() <= UNLUCKY, "{} of {:?}", pings.lost(), pings.sent);
        assert!(pings.answered.load(Ordering::SeqCst) > 100, "{:?}", pings.answered);
        assert_eq!(stand_ins(&network).await, Vec::<Ipv6Addr>::new());
    });
}

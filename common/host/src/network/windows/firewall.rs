//! Windows' firewall by its COM objects (`INetFwPolicy2`), for [`RuleBook`].
//!
//! A call takes milliseconds, and one through all rules tenths of a second: so they are made on threads that may wait. COM
//! is there for one call and gone after it; nothing of it is kept.
//!
//! Where there is no firewall that could be asked ([`is_absent`]), that is a warning, once. A plan then finds all as it
//! should be, as nothing can be done about it. An undoing fails: what stands there stays in the journal.

#![expect(unsafe_code, reason = "COM has no safe wrapper")]

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use windows::Win32::NetworkManagement::WindowsFirewall::{
    INetFwPolicy2, INetFwRule, INetFwRules, NET_FW_ACTION, NET_FW_PROFILE_TYPE2, NET_FW_RULE_DIRECTION,
    NetFwPolicy2, NetFwRule,
};
use windows::Win32::System::Com::{
    CLSCTX_INPROC_SERVER, COINIT_MULTITHREADED, CoCreateInstance, CoInitializeEx, CoUninitialize,
};
use windows::core::{BSTR, Error};

use crate::network::FirewallRule;
use crate::network::windows_firewall::properties::RuleProperties;
use crate::network::windows_firewall::standing::{Standing, is_absent};
use crate::network::windows_firewall::{RuleBook, RuleStore, delete_all};

mod enumeration;
mod properties;

/// What is known of the rules, for the whole process: two that change them would not see each other.
static BOOK: Mutex<RuleBook> = Mutex::new(RuleBook::new());

/// Whether it has been told that there is no firewall.
static IS_TOLD: AtomicBool = AtomicBool::new(false);

/// The kinds of networks, `NET_FW_PROFILE_TYPE2`, as netsh calls them.
const PROFILES: [(i32, &str); 3] = [(1, "domain"), (2, "private"), (4, "public")];

/// Of the `expected` rules those in force, and all others of v6tun's.
pub(super) async fn look(expected: Vec<FirewallRule>) -> io::Result<Vec<FirewallRule>> {
    let wanted = expected.clone();
    let looked = on_a_thread_of_its_own(move |firewall, book| {
        if book.is_new() {
            firewall.standing().warnings().iter().for_each(|warning| tracing::warn!("{warning}"));
        }
        book.look(firewall, &wanted)
    });
    match looked.await {
        Err(error) if is_absent(&error) => {
            if !IS_TOLD.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    "Windows' firewall cannot be asked ({error}): nothing of v6tun's keeps anybody from this PC's ports"
                );
            }
            Ok(expected)
        }
        looked => looked,
    }
}

/// All rules of v6tun's, in force or not.
pub(super) async fn look_through() -> io::Result<Vec<FirewallRule>> {
    on_a_thread_of_its_own(|firewall, book| book.look_through(firewall)).await
}

/// Puts a rule there, in the place of all of its name.
pub(super) async fn add(rule: FirewallRule) -> io::Result<()> {
    on_a_thread_of_its_own(move |firewall, book| book.add(firewall, &rule)).await
}

/// Takes a rule away. One that is not there is as good.
pub(super) async fn delete(rule: FirewallRule) -> io::Result<()> {
    on_a_thread_of_its_own(move |firewall, book| book.delete(firewall, &rule)).await
}

/// Takes all rules of v6tun's away, whichever interface they are for, and returns how many there were.
///
/// # Errors
/// If the firewall refuses. Where there is none, there is nothing to take away.
pub async fn delete_firewall_rules() -> io::Result<usize> {
    match on_a_thread_of_its_own(|firewall, _| delete_all(firewall)).await {
        Err(error) if is_absent(&error) => Ok(0),
        outcome => outcome,
    }
}

async fn on_a_thread_of_its_own<T: Send + 'static>(
    work: impl FnOnce(&Firewall, &mut RuleBook) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let call = move || {
        let mut book = BOOK.lock().unwrap_or_else(PoisonError::into_inner);
        let apartment = Apartment::enter()?;
        work(&Firewall::open(&apartment)?, &mut book)
    };
    tokio::task::spawn_blocking(call).await.map_err(io::Error::other)?
}

/// COM, for this thread, until it is dropped.
struct Apartment;

impl Apartment {
    fn enter() -> io::Result<Self> {
        // SAFETY: the thread makes no other use of COM; the call is balanced when `self` is dropped.
        unsafe { CoInitializeEx(None, COINIT_MULTITHREADED) }.ok().map_err(cause)?;
        Ok(Self)
    }
}

impl Drop for Apartment {
    fn drop(&mut self) {
        // SAFETY: every COM object of this thread has been dropped: they borrow `self`.
        unsafe { CoUninitialize() };
    }
}

/// The firewall.
struct Firewall<'a> {
    policy: INetFwPolicy2,
    rules: INetFwRules,
    _apartment: &'a Apartment,
}

impl<'a> Firewall<'a> {
    fn open(apartment: &'a Apartment) -> io::Result<Self> {
        // SAFETY: COM is there, as `apartment` shows.
        let policy: INetFwPolicy2 =
            unsafe { CoCreateInstance(&NetFwPolicy2, None, CLSCTX_INPROC_SERVER) }.map_err(cause)?;
        // SAFETY: a getter without arguments.
        let rules = unsafe { policy.Rules() }.map_err(cause)?;
        Ok(Self { policy, rules, _apartment: apartment })
    }

    /// What of it can be told; what cannot is taken for ordinary.
    fn standing(&self) -> Standing {
        // SAFETY: a getter without arguments.
        let modify_state = unsafe { self.policy.LocalPolicyModifyState() }.map_or(0, |state| state.0);
        // SAFETY: a getter without arguments.
        let current = unsafe { self.policy.CurrentProfileTypes() }.unwrap_or(0);
        let is_off = |(profile, _): &(i32, &'static str)| {
            // SAFETY: a getter that takes a number.
            let is_on = unsafe { self.policy.get_FirewallEnabled(NET_FW_PROFILE_TYPE2(*profile)) };
            current & profile != 0 && is_on.is_ok_and(|is_on| !is_on.as_bool())
        };
        let off_for = PROFILES.iter().filter(|profile| is_off(profile)).map(|(_, name)| *name).collect();
        Standing { modify_state, off_for }
    }
}

impl RuleStore for Firewall<'_> {
    fn own_names(&self) -> io::Result<BTreeSet<String>> {
        enumeration::own_names(&self.rules)
    }

    fn find(&self, name: &str) -> io::Result<Option<RuleProperties>> {
        // SAFETY: the name lives as long as the call.
        match unsafe { self.rules.Item(&BSTR::from(name)) }.map_err(cause) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => properties::read(&found?).map(Some).map_err(cause),
        }
    }

    fn add(&self, rule: &RuleProperties) -> io::Result<()> {
        // SAFETY: COM is there, as the firewall shows.
        let new: INetFwRule =
            unsafe { CoCreateInstance(&NetFwRule, None, CLSCTX_INPROC_SERVER) }.map_err(cause)?;
        properties::write(&new, rule).map_err(cause)?;
        // SAFETY: the rule lives as long as the call.
        unsafe { self.rules.Add(&new) }.map_err(cause)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        // SAFETY: the name lives as long as the call.
        unsafe { self.rules.Remove(&BSTR::from(name)) }.map_err(cause)
    }
}

/// COM's errors; those that wrap one of Win32 as that.
fn cause(error: Error) -> io::Error {
    const FACILITY_WIN32: u32 = 0x8007_0000;
    let code = error.code().0.cast_unsigned();
    let code = if code & 0xFFFF_0000 == FACILITY_WIN32 { code & 0xFFFF } else { code };
    io::Error::from_raw_os_error(code.cast_signed())
}

fn action(number: i32) -> NET_FW_ACTION {
    NET_FW_ACTION(number)
}

fn direction(number: i32) -> NET_FW_RULE_DIRECTION {
    NET_FW_RULE_DIRECTION(number)
}

//! Hearing that the PC's network has changed.

#![expect(unsafe_code, reason = "Windows calls back with a pointer")]

use std::ffi::c_void;
use std::fmt;
use std::io;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use windows_sys::Win32::Foundation::{HANDLE, WIN32_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::{
    CancelMibChangeNotify2, MIB_IPFORWARD_ROW2, MIB_IPINTERFACE_ROW, MIB_NOTIFICATION_TYPE,
    MIB_UNICASTIPADDRESS_ROW, NotifyIpInterfaceChange, NotifyRouteChange2, NotifyUnicastIpAddressChange,
};
use windows_sys::Win32::Networking::WinSock::AF_UNSPEC;

use super::table::check;
use crate::network::NetworkError;

/// What comes within this time is one change: a link that connects is told of a dozen times.
const BURST: Duration = Duration::from_millis(20);

/// Tells that an interface, an address or a route of either family has changed, whoever changed it, but not how: who
/// hears of it looks at the PC again.
#[derive(Debug)]
pub struct AddressWatch {
    /// They are cancelled before `told` goes, which Windows' threads call.
    _subscriptions: [Subscription; 3],
    _told: Arc<Told>,
    changes: watch::Receiver<()>,
    /// When the first of what nobody has been told of yet came.
    pending: Option<Instant>,
}

type Told = watch::Sender<()>;

impl AddressWatch {
    /// Begins to listen.
    ///
    /// # Errors
    /// If Windows takes no listener.
    pub fn open() -> Result<Self, NetworkError> {
        let failed = |e| NetworkError::new("listen to changes of the PC's network", e);
        let (told, changes) = watch::channel(());
        let told = Arc::new(told);
        let subscriptions = subscribe(Arc::as_ptr(&told).cast()).map_err(failed)?;
        Ok(Self { _subscriptions: subscriptions, _told: told, changes, pending: None })
    }

    /// Returns when something has changed since the last call returned, or since this was opened: 20 ms after the
    /// first of what comes together. If it is dropped before, the next call returns in its place.
    pub async fn changed(&mut self) {
        let since = match self.pending {
            Some(since) => since,
            None => {
                if self.changes.changed().await.is_err() {
                    // It lives as long as this.
                    return std::future::pending().await;
                }
                *self.pending.insert(Instant::now())
            }
        };
        tokio::time::sleep_until(since + BURST).await;
        self.changes.mark_unchanged();
        self.pending = None;
    }
}

/// `told` must live until all have been dropped.
fn subscribe(told: *const c_void) -> io::Result<[Subscription; 3]> {
    Ok([
        Subscription::new(|handle| {
            // SAFETY: callback and context fit each other, and live longer than the subscription.
            unsafe { NotifyIpInterfaceChange(AF_UNSPEC, Some(on_interface), told, false, handle) }
        })?,
        Subscription::new(|handle| {
            // SAFETY: as above.
            unsafe { NotifyUnicastIpAddressChange(AF_UNSPEC, Some(on_address), told, false, handle) }
        })?,
        Subscription::new(|handle| {
            // SAFETY: as above.
            unsafe { NotifyRouteChange2(AF_UNSPEC, Some(on_route), told, false, handle) }
        })?,
    ])
}

/// A callback that is registered. Dropping it waits until none is running, so it must not be dropped in one.
struct Subscription(HANDLE);

// SAFETY: the handle is no more than a number for Windows, which any thread may cancel.
unsafe impl Send for Subscription {}

// SAFETY: nothing can be done with a shared one.
unsafe impl Sync for Subscription {}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").finish_non_exhaustive()
    }
}

impl Subscription {
    fn new(register: impl FnOnce(&mut HANDLE) -> WIN32_ERROR) -> io::Result<Self> {
        let mut handle = ptr::null_mut();
        check(register(&mut handle))?;
        Ok(Self(handle))
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // SAFETY: it is registered, and this is none of its callbacks.
        if let Err(error) = check(unsafe { CancelMibChangeNotify2(self.0) }) {
            tracing::debug!(%error, "a listener to changes of the network is not cancelled");
        }
    }
}

unsafe extern "system" fn on_interface(
    told: *const c_void,
    _row: *const MIB_IPINTERFACE_ROW,
    _kind: MIB_NOTIFICATION_TYPE,
) {
    // SAFETY: Windows hands on what was registered.
    unsafe { tell(told) };
}

unsafe extern "system" fn on_address(
    told: *const c_void,
    _row: *const MIB_UNICASTIPADDRESS_ROW,
    _kind: MIB_NOTIFICATION_TYPE,
) {
    // SAFETY: Windows hands on what was registered.
    unsafe { tell(told) };
}

unsafe extern "system" fn on_route(
    told: *const c_void,
    _row: *const MIB_IPFORWARD_ROW2,
    _kind: MIB_NOTIFICATION_TYPE,
) {
    // SAFETY: Windows hands on what was registered.
    unsafe { tell(told) };
}

/// # Safety
/// `told` is a [`Told`] that lives.
unsafe fn tell(told: *const c_void) {
    // SAFETY: the caller says so.
    let told = unsafe { &*told.cast::<Told>() };
    told.send_replace(());
}

//! What the Windows PC has besides what Linux knows.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use crate::adapter::Adapter;
use crate::interfaces::Settings;
use crate::ip::Family;
use crate::routes::Made;

/// The PC; every connection has it.
#[derive(Default)]
pub(crate) struct Pc {
    /// By their names.
    pub(crate) adapters: Mutex<BTreeMap<String, Adapter>>,
    /// Whether the adapter of a process that was killed stays for a while: until somebody wants to create it.
    pub(crate) keeps_orphans: AtomicBool,
    /// By the indices of their interfaces.
    pub(crate) settings: Mutex<BTreeMap<(u64, Family), Settings>>,
    /// The routes that a Windows program made.
    pub(crate) routes: Mutex<Vec<Made>>,
    /// By the indices of their interfaces, as they were written.
    pub(crate) name_servers: Mutex<BTreeMap<(u64, Family), String>>,
}

impl Pc {
    /// Forgets what was set of an interface that has gone.
    pub(crate) fn forget_interface(&self, index: u64) {
        lock(&self.settings).retain(|(other, _), _| *other != index);
        lock(&self.name_servers).retain(|(other, _), _| *other != index);
        lock(&self.routes).retain(|route| route.index != index);
    }
}

/// Takes a lock, whatever became of the thread that had it before.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

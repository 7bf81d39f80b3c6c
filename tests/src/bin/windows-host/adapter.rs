//! Adapters: tun devices of their names, each there as long as the process that created it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::ip;
use crate::packets::{self, ORDER_REMOVED, Session};
use crate::pc::{Pc, lock};
use crate::windows_error::{Answer, WindowsError, word};

/// What a new adapter's MTU is.
const MTU: u64 = 65535;

/// An adapter of wintun.
pub(crate) struct Adapter {
    pub(crate) device: Arc<tun::Device>,
    pub(crate) index: u64,
    /// As its creator wrote it; `-` for none.
    pub(crate) guid: String,
    /// The number of the connection that created it; `None`: that one has ended.
    owner: Option<u64>,
    pub(crate) session: Session,
}

/// Carries out a request of `connection` about adapters.
pub(crate) fn answer(pc: &Pc, connection: u64, request: &str) -> Answer {
    let mut words = request.splitn(2, ' ');
    match (word(&mut words)?, word(&mut words)?) {
        ("create", rest) => {
            let (guid, name) = rest.split_once(' ').ok_or(WindowsError::INVALID_PARAMETER)?;
            create(pc, connection, name, guid)
        }
        ("open", name) => open(pc, name),
        ("close", name) => {
            remove(pc, name);
            Ok(String::new())
        }
        _ => Err(WindowsError::INVALID_PARAMETER),
    }
}

fn create(pc: &Pc, connection: u64, name: &str, guid: &str) -> Answer {
    let mut adapters = lock(&pc.adapters);
    match adapters.get(name).map(|adapter| adapter.owner) {
        Some(Some(_)) => return Err(WindowsError::ALREADY_EXISTS),
        // It is on its way out: whoever comes next has a free way.
        Some(None) => {
            drop(adapters);
            remove(pc, name);
            return Err(WindowsError::ALREADY_EXISTS);
        }
        None => {}
    }
    let device = make_device(name).map_err(|error| {
        eprintln!("the device {name:?}: {error}");
        WindowsError::INVALID_PARAMETER
    })?;
    ip::change(&format!("link set dev {name} mtu {MTU} up"))?;
    let found = ip::links().into_iter().find(|(_, link)| link.name == name);
    let (index, _) = found.ok_or(WindowsError::GEN_FAILURE)?;
    let adapter = Adapter {
        device: Arc::new(device),
        index,
        guid: guid.to_owned(),
        owner: Some(connection),
        session: Arc::default(),
    };
    adapters.insert(name.to_owned(), adapter);
    Ok(index.to_string())
}

/// Makes a device that does not block, and leaves all else to `ip`.
fn make_device(name: &str) -> tun::Result<tun::Device> {
    let mut configuration = tun::Configuration::default();
    configuration.tun_name(name).platform_config(|platform| {
        platform.ensure_root_privileges(false);
    });
    let device = tun::create(&configuration)?;
    device.set_nonblock()?;
    Ok(device)
}

fn open(pc: &Pc, name: &str) -> Answer {
    let adapters = lock(&pc.adapters);
    let adapter = adapters.get(name).filter(|adapter| adapter.owner.is_some());
    adapter.map(|adapter| adapter.index.to_string()).ok_or(WindowsError::NOT_FOUND)
}

/// Takes an adapter away, under the hands of whoever uses it; whether there was one.
pub(crate) fn remove(pc: &Pc, name: &str) -> bool {
    let Some(adapter) = lock(&pc.adapters).remove(name) else { return false };
    packets::order(&adapter.session, ORDER_REMOVED);
    // Whoever waits for a packet of the device is told by that.
    let _ = ip::change(&format!("link del dev {name}"));
    pc.forget_interface(adapter.index);
    true
}

/// What becomes of the adapters of a process whose connection has ended.
pub(crate) fn abandon(pc: &Pc, connection: u64) {
    let mut adapters = lock(&pc.adapters);
    let of_it = adapters.iter_mut().filter(|(_, adapter)| adapter.owner == Some(connection));
    let names: Vec<String> = of_it
        .map(|(name, adapter)| {
            adapter.owner = None;
            name.clone()
        })
        .collect();
    drop(adapters);
    if !pc.keeps_orphans.load(Ordering::Relaxed) {
        for name in names {
            remove(pc, &name);
        }
    }
}

//! `probe ADAPTER STEP...`: makes an adapter, calls one function of Windows a step, and says what it returned, a line
//! each: the step's words and `0`, or its error.
//!
//! | step | call |
//! | --- | --- |
//! | `listen` | `NotifyIpInterfaceChange`, `NotifyUnicastIpAddressChange`, `NotifyRouteChange2`: from then on, a line for each change |
//! | `address=ADDRESS/LENGTH`, `no-address=…` | `CreateUnicastIpAddressEntry`, `DeleteUnicastIpAddressEntry` |
//! | `route=PREFIX/LENGTH,METRIC`, `no-route=…` | `CreateIpForwardEntry2`, `DeleteIpForwardEntry2` |
//! | `mtu=NUMBER`, `metric=NUMBER` | `GetIpInterfaceEntry`, `SetIpInterfaceEntry` of IPv6 |
//! | `best=ADDRESS` | `GetBestRoute2`, and the source address that it gives |
//! | `dns=SERVERS` | `SetInterfaceDnsSettings` of IPv6, and what `GetInterfaceDnsSettings` says then |
//! | `session` | `WintunStartSession` |
//! | `receive` | waits for packets until the adapter is gone, and says how long each is |
//! | `wait` | waits for the end of the process |

use std::error::Error;
use std::ffi::c_void;
use std::net::Ipv6Addr;
use std::process::ExitCode;
use std::ptr::null;
use std::sync::Arc;
use std::thread;

use windows_sys::Win32::Foundation::{HANDLE, NO_ERROR};
use windows_sys::Win32::NetworkManagement::IpHelper::*;
use windows_sys::Win32::NetworkManagement::Ndis::NET_LUID_LH;
use windows_sys::Win32::Networking::WinSock::{AF_INET, AF_INET6, AF_UNSPEC, SOCKADDR_INET};
use windows_sys::core::{GUID, PWSTR};
use wintun::{Adapter, MIN_RING_CAPACITY, Session};

const ADAPTER_GUID: u128 = 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef;

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let Some(name) = words.next() else {
        eprintln!("probe ADAPTER STEP...");
        return ExitCode::from(2);
    };
    match run(&name, words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str, steps: impl Iterator<Item = String>) -> Result<(), Box<dyn Error>> {
    let dll = std::env::current_exe()?.with_file_name("wintun.dll");
    // SAFETY: the DLL beside this program is wintun's, or behaves as that does.
    let wintun = unsafe { wintun::load_from_path(dll)? };
    let adapter = Adapter::create(&wintun, name, "probe", Some(ADAPTER_GUID))?;
    println!("created");
    let mut probe = Probe { luid: luid_of(&adapter), adapter, session: None };
    for step in steps {
        let (what, argument) = step.split_once('=').unwrap_or((&step, ""));
        println!("{step} {}", probe.call(what, argument)?);
    }
    Ok(())
}

fn luid_of(adapter: &Adapter) -> NET_LUID_LH {
    // SAFETY: both are a number of 64 bits.
    NET_LUID_LH { Value: unsafe { adapter.get_luid().Value } }
}

struct Probe {
    luid: NET_LUID_LH,
    adapter: Arc<Adapter>,
    session: Option<Arc<Session>>,
}

impl Probe {
    fn call(&mut self, what: &str, argument: &str) -> Result<String, Box<dyn Error>> {
        let code = match what {
            "listen" => listen(),
            "address" | "no-address" => self.address(what, argument)?,
            "route" | "no-route" => self.route(what, argument)?,
            "mtu" | "metric" => self.interface(what, argument.parse()?),
            "best" => return best(argument.parse()?),
            "dns" => return Ok(name_servers(argument)),
            "session" => return self.start_session(),
            "receive" => return self.receive(),
            "wait" => loop {
                thread::park();
            },
            _ => return Err(format!("an unknown step: {what}").into()),
        };
        Ok(code.to_string())
    }

    fn address(&self, what: &str, argument: &str) -> Result<u32, Box<dyn Error>> {
        let (address, length) = prefix(argument)?;
        let mut row = MIB_UNICASTIPADDRESS_ROW::default();
        // SAFETY: the row is there to be written.
        unsafe { InitializeUnicastIpAddressEntry(&mut row) };
        row.InterfaceLuid = self.luid;
        row.Address = address;
        row.OnLinkPrefixLength = length;
        // SAFETY: the row is filled.
        Ok(match what {
            "address" => unsafe { CreateUnicastIpAddressEntry(&row) },
            _ => unsafe { DeleteUnicastIpAddressEntry(&row) },
        })
    }

    fn route(&self, what: &str, argument: &str) -> Result<u32, Box<dyn Error>> {
        let (destination, metric) = argument.split_once(',').unwrap_or((argument, "0"));
        let (address, length) = prefix(destination)?;
        let mut row = MIB_IPFORWARD_ROW2::default();
        // SAFETY: the row is there to be written.
        unsafe { InitializeIpForwardEntry(&mut row) };
        row.InterfaceLuid = self.luid;
        row.DestinationPrefix = IP_ADDRESS_PREFIX { Prefix: address, PrefixLength: length };
        row.NextHop = socket_address(Ipv6Addr::UNSPECIFIED);
        row.Metric = metric.parse()?;
        // SAFETY: the row is filled.
        Ok(match what {
            "route" => unsafe { CreateIpForwardEntry2(&row) },
            _ => unsafe { DeleteIpForwardEntry2(&row) },
        })
    }

    fn interface(&self, what: &str, value: u32) -> u32 {
        let mut row =
            MIB_IPINTERFACE_ROW { Family: AF_INET6, InterfaceLuid: self.luid, ..Default::default() };
        // SAFETY: the row names an interface and a family.
        let error = unsafe { GetIpInterfaceEntry(&mut row) };
        if error != NO_ERROR {
            return error;
        }
        row.SitePrefixLength = 0;
        match what {
            "mtu" => row.NlMtu = value,
            _ => (row.UseAutomaticMetric, row.Metric) = (false, value),
        }
        // SAFETY: the row is as it was read, but for what is to change.
        unsafe { SetIpInterfaceEntry(&mut row) }
    }

    fn start_session(&mut self) -> Result<String, Box<dyn Error>> {
        self.session = Some(Arc::new(self.adapter.start_session(MIN_RING_CAPACITY)?));
        Ok("0".to_owned())
    }

    fn receive(&self) -> Result<String, Box<dyn Error>> {
        let session = self.session.as_ref().ok_or("no session")?;
        loop {
            match session.receive_blocking() {
                Ok(packet) => println!("packet {}", packet.bytes().len()),
                Err(error) => return Ok(error.to_string()),
            }
        }
    }
}

fn best(destination: Ipv6Addr) -> Result<String, Box<dyn Error>> {
    let (mut row, mut source) = (MIB_IPFORWARD_ROW2::default(), SOCKADDR_INET::default());
    let destination = socket_address(destination);
    // SAFETY: no interface and no source are given; the others are there to be read and written.
    let error = unsafe { GetBestRoute2(null(), 0, null(), &destination, 0, &mut row, &mut source) };
    // SAFETY: the address is one of IPv6, or all zeros.
    let source = unsafe { source.Ipv6.sin6_addr.u.Byte };
    Ok(format!("{error} {}", Ipv6Addr::from(source)))
}

fn name_servers(servers: &str) -> String {
    let mut text: Vec<u16> = servers.encode_utf16().chain([0]).collect();
    let guid = GUID::from_u128(ADAPTER_GUID);
    let flags = u64::from(DNS_SETTING_IPV6 | DNS_SETTING_NAMESERVER);
    let mut settings = DNS_INTERFACE_SETTINGS { Version: 1, Flags: flags, ..Default::default() };
    settings.NameServer = text.as_mut_ptr();
    // SAFETY: the settings and their text live until the call returns.
    let set = unsafe { SetInterfaceDnsSettings(guid, &settings) };
    let mut found = DNS_INTERFACE_SETTINGS { Version: 1, Flags: flags, ..Default::default() };
    // SAFETY: the settings are there to be written.
    let got = unsafe { GetInterfaceDnsSettings(guid, &mut found) };
    let text = if got == NO_ERROR { wide(found.NameServer) } else { String::new() };
    // SAFETY: what was got is freed once.
    unsafe { FreeInterfaceDnsSettings(&mut found) };
    format!("{set} {got} {text}")
}

fn wide(text: PWSTR) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: Windows ends the text with a zero.
    let characters = (0..).map(|at| unsafe { *text.add(at) }).take_while(|c| *c != 0);
    String::from_utf16_lossy(&characters.collect::<Vec<_>>())
}

fn prefix(text: &str) -> Result<(SOCKADDR_INET, u8), Box<dyn Error>> {
    let (address, length) = text.split_once('/').ok_or("ADDRESS/LENGTH")?;
    Ok((socket_address(address.parse()?), length.parse()?))
}

fn socket_address(address: Ipv6Addr) -> SOCKADDR_INET {
    let mut to = SOCKADDR_INET::default();
    to.Ipv6.sin6_family = AF_INET6;
    to.Ipv6.sin6_addr.u.Byte = address.octets();
    to
}

fn listen() -> u32 {
    let mut handle: HANDLE = std::ptr::null_mut();
    // SAFETY: the callbacks are functions, and need no context; the handles are not used.
    unsafe {
        NotifyIpInterfaceChange(AF_INET, Some(interface_changed), null(), false, &mut handle)
            | NotifyUnicastIpAddressChange(AF_UNSPEC, Some(address_changed), null(), true, &mut handle)
            | NotifyRouteChange2(AF_UNSPEC, Some(route_changed), null(), false, &mut handle)
    }
}

extern "system" fn interface_changed(
    _: *const c_void,
    row: *const MIB_IPINTERFACE_ROW,
    kind: MIB_NOTIFICATION_TYPE,
) {
    // SAFETY: a row, or none.
    let index = unsafe { row.as_ref() }.map(|row| row.InterfaceIndex);
    println!("interface-changed {kind} {index:?}");
}

extern "system" fn address_changed(
    _: *const c_void,
    row: *const MIB_UNICASTIPADDRESS_ROW,
    kind: MIB_NOTIFICATION_TYPE,
) {
    // SAFETY: a row, or none.
    let index = unsafe { row.as_ref() }.map(|row| row.InterfaceIndex);
    println!("address-changed {kind} {index:?}");
}

extern "system" fn route_changed(
    _: *const c_void,
    row: *const MIB_IPFORWARD_ROW2,
    kind: MIB_NOTIFICATION_TYPE,
) {
    // SAFETY: a row, or none.
    let length = unsafe { row.as_ref() }.map(|row| row.DestinationPrefix.PrefixLength);
    println!("route-changed {kind} {length:?}");
}

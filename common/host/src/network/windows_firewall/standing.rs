//! Whether Windows' firewall is there, and does what its rules say.
//!
//! A PC without it, or with another in its place, is no reason for a tunnel not to come up: it has a public address all
//! the same, which whoever takes care of its firewall has to know. So that is a warning. An error is what the firewall
//! says against a rule while it does its work: the PC would not be as the configuration asks for.

use std::io;

/// Win32 errors of a service that is not there: stopped, disabled, or ended while it was asked.
const NO_SERVICE: [i32; 7] = [1058, 1062, 1717, 1722, 1726, 1727, 1753];
/// `REGDB_E_CLASSNOTREG` and `E_NOTIMPL`: a Windows, or something like it, without a firewall.
const NO_FIREWALL: [u32; 2] = [0x8004_0154, 0x8000_4001];

/// Values of `NET_FW_MODIFY_STATE`.
const GROUP_POLICY: i32 = 1;
const ALL_INBOUND_BLOCKED: i32 = 2;

/// Whether an error says that there is no firewall that could be asked, rather than that it refuses something.
pub(crate) fn is_absent(error: &io::Error) -> bool {
    let is_known = |code: i32| {
        NO_SERVICE.contains(&code) || NO_FIREWALL.contains(&u32::from_ne_bytes(code.to_ne_bytes()))
    };
    error.kind() == io::ErrorKind::TimedOut || error.raw_os_error().is_some_and(is_known)
}

/// What stands between a rule and its effect.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    /// `LocalPolicyModifyState`.
    pub(crate) modify_state: i32,
    /// The kinds of networks that it is off for: `domain`, `private`, `public`.
    pub(crate) off_for: Vec<&'static str>,
}

impl Standing {
    /// What the PC's owner should know.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        match self.modify_state {
            GROUP_POLICY => warnings.push(
                "a group policy has Windows' firewall heed its own rules alone: what [windows.inbound] says is for \
                 that policy to say"
                    .to_owned(),
            ),
            ALL_INBOUND_BLOCKED => warnings.push(
                "Windows' firewall blocks all incoming connections, even those that [windows.inbound] allows: take \
                 that off in its settings for the kind of network that the tunnel is in"
                    .to_owned(),
            ),
            _ => {}
        }
        for kind in &self.off_for {
            warnings.push(format!(
                "Windows' firewall is off for {kind} networks: there it keeps nobody from this PC's ports, whatever \
                 [windows.inbound] says; `netsh advfirewall set {kind}profile state on` turns it on"
            ));
        }
        warnings
    }
}

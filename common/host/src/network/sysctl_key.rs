//! The name of one kernel setting, such as `net.ipv6.conf.ens3.accept_ra`.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The most components that a key may have.
const MAX_COMPONENTS: usize = 16;

/// The name of one sysctl, held as its path components below `/proc/sys`.
///
/// An interface's name may contain dots (`ens3.100`), so dots alone cannot separate components. The text
/// form is that of sysctl(8): components are separated by dots, and a dot inside one is written as a slash:
/// `net.ipv6.conf.ens3/100.accept_ra`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct SysctlKey(Vec<String>);

/// Why a text is no [`SysctlKey`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("sysctl key '{key}': {reason}")]
pub struct SysctlKeyError {
    key: String,
    reason: &'static str,
}

impl SysctlKey {
    /// A key of these components.
    ///
    /// # Errors
    /// If there is none or there are too many, or if one is empty, `.`, `..`, or holds a slash, white space
    /// or a control character.
    pub fn new<I>(components: I) -> Result<Self, SysctlKeyError>
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let components: Vec<String> = components.into_iter().map(Into::into).collect();
        let refused = |reason| SysctlKeyError { key: components.join("."), reason };
        if components.is_empty() || components.len() > MAX_COMPONENTS {
            return Err(refused("wants 1 to 16 components"));
        }
        for component in &components {
            if component.is_empty() || component == "." || component == ".." {
                return Err(refused("a component is empty, '.' or '..'"));
            }
            if component.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) {
                return Err(refused("a component holds a slash, white space or a control character"));
            }
        }
        Ok(Self(components))
    }

    /// `net.ipv6.conf.LINK.NAME`; `link` may also be `all` or `default`.
    ///
    /// # Errors
    /// If the link's or the setting's name cannot be a file name.
    pub fn ipv6_conf(link: &str, name: &str) -> Result<Self, SysctlKeyError> {
        Self::new(["net", "ipv6", "conf", link, name])
    }

    /// `net.ipv6.neigh.LINK.NAME`.
    ///
    /// # Errors
    /// If the link's or the setting's name cannot be a file name.
    pub fn ipv6_neigh(link: &str, name: &str) -> Result<Self, SysctlKeyError> {
        Self::new(["net", "ipv6", "neigh", link, name])
    }

    /// The components, from `net` on.
    #[must_use]
    pub fn components(&self) -> &[String] {
        &self.0
    }

    /// The file of this key below `root`, which is `/proc/sys` on a running system.
    #[must_use]
    pub fn path_under(&self, root: &Path) -> PathBuf {
        let mut path = root.to_path_buf();
        path.extend(&self.0);
        path
    }

    /// The link and the setting's name, if this is `net.ipv6.conf.LINK.NAME`.
    #[must_use]
    pub fn as_ipv6_conf(&self) -> Option<(&str, &str)> {
        match self.0.as_slice() {
            [net, family, conf, link, name] if net == "net" && family == "ipv6" && conf == "conf" => {
                Some((link, name))
            }
            _ => None,
        }
    }

    /// The link in `net.ipv6.conf.LINK.NAME` and `net.ipv6.neigh.LINK.NAME`.
    pub(super) fn link_mut(&mut self) -> Option<&mut String> {
        match self.0.as_mut_slice() {
            [net, family, kind, link, _]
                if net == "net" && family == "ipv6" && (kind == "conf" || kind == "neigh") =>
            {
                Some(link)
            }
            _ => None,
        }
    }

    /// Whether this is `net.ipv6.conf.all.forwarding`, the write of which overwrites every link's own value.
    #[must_use]
    pub fn is_all_forwarding(&self) -> bool {
        self.as_ipv6_conf() == Some(("all", "forwarding"))
    }

    /// `net.ipv6.conf.all.forwarding`.
    pub(crate) fn all_forwarding() -> Self {
        Self(["net", "ipv6", "conf", "all", "forwarding"].map(String::from).to_vec())
    }

    /// `net.ipv6.conf.LINK.forwarding` for a link that the kernel named.
    pub(crate) fn forwarding_of(link: &str) -> Self {
        Self(["net", "ipv6", "conf", link, "forwarding"].map(String::from).to_vec())
    }
}

impl fmt::Display for SysctlKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, component) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "." };
            write!(f, "{separator}{}", component.replace('.', "/"))?;
        }
        Ok(())
    }
}

impl FromStr for SysctlKey {
    type Err = SysctlKeyError;

    /// Reads both forms of sysctl(8): the first separator in the text, dot or slash, is the one that separates.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.find(['.', '/']).map(|i| text.as_bytes()[i]) {
            Some(b'/') => Self::new(text.split('/')),
            _ => Self::new(text.split('.').map(|component| component.replace('/', "."))),
        }
    }
}

impl TryFrom<String> for SysctlKey {
    type Error = SysctlKeyError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SysctlKey> for String {
    fn from(key: SysctlKey) -> Self {
        key.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_in_a_links_name_is_printed_as_sysctl_8_wants_it() {
        let key = SysctlKey::ipv6_conf("ens3.100", "accept_ra").unwrap();
        assert_eq!(key.to_string(), "net.ipv6.conf.ens3/100.accept_ra");
        assert_eq!(
            key.path_under(Path::new("/proc/sys")),
            Path::new("/proc/sys/net/ipv6/conf/ens3.100/accept_ra")
        );
    }

    #[test]
    fn dotted_and_slashed_texts_name_the_same_key() {
        let key = SysctlKey::ipv6_conf("ens3.100", "accept_ra").unwrap();
        assert_eq!("net.ipv6.conf.ens3/100.accept_ra".parse(), Ok(key.clone()));
        assert_eq!("net/ipv6/conf/ens3.100/accept_ra".parse(), Ok(key));
    }

    #[test]
    fn a_key_cannot_leave_the_sysctl_tree() {
        for text in ["", "..", "net....ipv6", "/etc/passwd", "net/../../etc", "net.ipv6.conf.a b.c", "net.\0"]
        {
            assert!(text.parse::<SysctlKey>().is_err(), "{text:?}");
        }
        assert!(SysctlKey::ipv6_conf("../../..", "x").is_err());
    }
}

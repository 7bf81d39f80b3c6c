//! A backup in another place: the pool becomes this host's, and so does an endpoint that is an address; the rest of
//! the file stays as it is.

use super::{MODE, say};
use crate::config::Config;
use crate::endpoint::ServerEndpoint;
use crate::init;
use crate::uplink::Uplink;
use crate::uplink_guard;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use toml_edit::DocumentMut;
use v6tun_host::durable_file;
use v6tun_host::network::Network;
use v6tun_wire::OrFail;

/// Changes what this host cannot lend. Where nothing better is found the file stays, and `up` will say why.
pub(super) async fn fit_to_host(path: &Path) {
    match try_to_fit(path).await {
        Ok(None) => {}
        Ok(Some(what)) => say(&what),
        Err(error) => say(&format!("{} may not fit this host: {error:#}", path.display())),
    }
}

async fn try_to_fit(path: &Path) -> Result<Option<String>> {
    let config = Config::load(path)?;
    let network = Network::open()?;
    let uplink = Uplink::find(&network, config.uplink.as_deref()).await?;
    if uplink_guard::check(&config, &uplink).is_ok() {
        return Ok(None);
    }
    let (proposed, endpoint) = init::propose_text(&network, path).await?;
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    // A name goes where its owner points it to.
    let has_name = config.endpoint.as_ref().is_some_and(ServerEndpoint::is_name);
    let keys: &[&str] = if has_name { &["pool"] } else { &["pool", "endpoint"] };
    durable_file::replace(path, merged(&text, &proposed, keys)?.as_bytes(), MODE).or_failed()?;
    let told = "this host has other addresses than the backup's: [pool] is this host's now, and clients keep their keys \
         and get new addresses";
    Ok(Some(match has_name {
        true => format!("{told}. They find it when its name points to {endpoint}"),
        false => format!("{told}. They know the old endpoint; this host's is {endpoint}"),
    }))
}

/// `text` with these keys as `proposed` has them, and else as it was, comments included.
fn merged(text: &str, proposed: &str, keys: &[&str]) -> Result<String> {
    let mut document: DocumentMut = text.parse().context("cannot read the configuration")?;
    let proposed: DocumentMut = proposed.parse().context("cannot read the proposal")?;
    for key in keys {
        if let Some(item) = proposed.get(key) {
            document[*key] = item.clone();
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_and_endpoint_are_taken_and_all_else_stays() {
        let old = "# mine\nprivate-key-file = \"server.key\"\nendpoint = \"192.0.2.1:1\" # old\nmtu = 1400\n\n[pool]\naddresses = [\"2001:db8::1\"]\n\n[[client]]\nname = \"tv\"\n";
        let new = "endpoint = \"198.51.100.1:51820\"\n[pool]\nprefix = \"2001:db8:1::/64\"\nrouted = true\n";
        let text = merged(old, new, &["pool", "endpoint"]).unwrap();
        for kept in ["# mine", "mtu = 1400", "name = \"tv\""] {
            assert!(text.contains(kept), "{text}");
        }
        assert!(
            text.contains("198.51.100.1:51820") && text.contains("prefix = \"2001:db8:1::/64\""),
            "{text}"
        );
        assert!(!text.contains("192.0.2.1") && !text.contains("addresses"), "{text}");
        let text = merged(old, new, &["pool"]).unwrap();
        assert!(text.contains("192.0.2.1:1") && text.contains("2001:db8:1::/64"), "{text}");
    }
}

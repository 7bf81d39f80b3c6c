//! `v6tun-server install | uninstall`: the server as a service of systemd.

use crate::{ROLE, init};
use anyhow::Result;
use v6tun_wire::GlobalArgs;
use v6tun_wire::systemd::Service;

pub(crate) use v6tun_wire::systemd::ServiceArgs;

const SERVICE: Service =
    Service { role: ROLE, template: include_str!("service/v6tun-server.service"), what_stays };

pub(crate) async fn install(global: &GlobalArgs, args: &ServiceArgs) -> Result<()> {
    // Makes a configuration where there is none, as `up` does.
    let configure = async || init::ensure_config(global, None, false).await.map(drop);
    SERVICE.install(global, args, configure).await
}

pub(crate) async fn uninstall(global: &GlobalArgs, args: &ServiceArgs) -> Result<()> {
    SERVICE.uninstall(global, args).await
}

/// Says that the server serves.
pub(crate) fn tell_ready() {
    v6tun_wire::systemd::tell_ready(ROLE);
}

fn what_stays(global: &GlobalArgs) -> String {
    let config = global.config.as_deref().and_then(|file| file.parent());
    let config = config.map_or_else(|| "/etc/v6tun".to_owned(), |folder| folder.display().to_string());
    let state = global.state_dir.display();
    format!(
        "{config} (configuration, key) and {state} (state) stay; `sudo rm -r {config} {state}` removes them"
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;
    use crate::args::Args;

    #[test]
    fn where_all_is_usual_the_unit_is_the_packages() {
        let usual = Args::parse_from(["v6tun-server", "install"]).global;
        let text = SERVICE.unit_text(Path::new("/usr/bin/v6tun-server"), &usual).unwrap();
        assert_eq!(text, SERVICE.template);
        assert!(text.starts_with(v6tun_wire::systemd::MARK));
    }
}

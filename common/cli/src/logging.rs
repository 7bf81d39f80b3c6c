//! What the programs log: `tracing` to standard error, one line an event. What libraries say by the `log` crate is among
//! it.

use std::env;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Mutex;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Names what is logged instead of the command line, in `RUST_LOG`'s words: `v6tun_host=trace,info`.
pub const FILTER_VARIABLE: &str = "V6TUN_LOG";

/// Set by systemd(1) where standard error is the journal, which stamps the time itself.
const JOURNAL_VARIABLE: &str = "JOURNAL_STREAM";

/// Starts logging, for the whole process. A second call changes nothing.
///
/// `verbosity` counts `-v`: INFO, DEBUG, then TRACE of v6tun's own crates; `quiet` leaves warnings
/// and errors. Other crates log warnings and errors. [`FILTER_VARIABLE`] overrides all of it.
pub fn init(verbosity: u8, quiet: bool) {
    let filter = chosen_filter(verbosity, quiet);
    let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let builder = fmt()
        .compact()
        .with_env_filter(filter)
        .with_target(verbosity > 0)
        .with_ansi(io::stderr().is_terminal() && !no_color)
        .with_writer(io::stderr);
    // The error of a second call.
    let _ = if env::var_os(JOURNAL_VARIABLE).is_some() {
        builder.without_time().finish().try_init()
    } else {
        builder.finish().try_init()
    };
}

/// The same into a file, for a program that nobody watches.
pub fn init_with(file: impl io::Write + Send + 'static, verbosity: u8, quiet: bool) {
    let builder = fmt()
        .compact()
        .with_env_filter(chosen_filter(verbosity, quiet))
        .with_target(verbosity > 0)
        .with_ansi(false)
        .with_writer(Mutex::new(file));
    // The error of a second call.
    let _ = builder.finish().try_init();
}

/// The filter for these options; complains on standard error about an environment that makes no sense.
fn chosen_filter(verbosity: u8, quiet: bool) -> EnvFilter {
    let default = default_filter(verbosity, quiet);
    let wanted = env::var(FILTER_VARIABLE).ok();
    let (filter, complaint) = filter(wanted.as_deref(), default);
    if let Some(complaint) = complaint {
        // Where standard error is closed nobody is left to be told.
        let _ = io::stderr().write_all(complaint.as_bytes());
    }
    filter
}

fn default_filter(verbosity: u8, quiet: bool) -> &'static str {
    match (quiet, verbosity) {
        // What the WireGuard engine calls errors are retries to us, which the programs tell themselves.
        (true, _) => "warn,boringtun=off",
        (false, 0) => "warn,boringtun=off,v6tun=info",
        (false, 1) => "warn,v6tun=debug",
        (false, _) => "warn,v6tun=trace",
    }
}

/// The filter that `wanted` describes, or else the default one, with a complaint where that is not asked for.
fn filter(wanted: Option<&str>, default: &str) -> (EnvFilter, Option<String>) {
    match wanted.filter(|wanted| !wanted.is_empty()).map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => {
            let complaint = format!("warning: {FILTER_VARIABLE} is ignored: {error}\n");
            (EnvFilter::new(default), Some(complaint))
        }
        None => (EnvFilter::new(default), None),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What of three events passes the filter.
    fn logged(filter: EnvFilter) -> String {
        let written = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&written);
        let subscriber = fmt()
            .compact()
            .with_env_filter(filter)
            .with_ansi(false)
            .without_time()
            .with_writer(move || Sink(Arc::clone(&sink)))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "v6tun_host::network", "own detail");
            tracing::info!(target: "v6tun_server", link = "ens3", "own change");
            tracing::info!(target: "netlink_proto", "foreign chatter");
            tracing::warn!(target: "netlink_proto", "foreign warning");
        });
        String::from_utf8(written.lock().unwrap().clone()).unwrap()
    }

    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn each_v_shows_more_of_v6tun_and_no_more_of_other_crates() {
        let (normal, _) = filter(None, default_filter(0, false));
        let text = logged(normal);
        assert!(text.contains("own change link=\"ens3\"") && text.contains("foreign warning"), "{text}");
        assert!(!text.contains("own detail") && !text.contains("chatter"), "{text}");
        let (verbose, _) = filter(None, default_filter(1, false));
        let text = logged(verbose);
        assert!(text.contains("own detail") && !text.contains("chatter"), "{text}");
    }

    #[test]
    fn quiet_leaves_warnings() {
        let (quiet, _) = filter(None, default_filter(2, true));
        let text = logged(quiet);
        assert!(text.contains("foreign warning") && !text.contains("own"), "{text}");
    }

    #[test]
    fn the_environment_overrides_and_nonsense_in_it_is_said_and_ignored() {
        let (own, complaint) = filter(Some("netlink_proto=info"), "off");
        assert!(complaint.is_none());
        assert!(logged(own).contains("foreign chatter"));
        let (fallback, complaint) = filter(Some("v6tun=loud"), "v6tun=info");
        assert!(complaint.unwrap().starts_with("warning: V6TUN_LOG is ignored: "));
        assert!(logged(fallback).contains("own change"));
        assert!(filter(Some(""), "info").1.is_none());
    }
}

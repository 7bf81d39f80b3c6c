//! A network namespace for one test.

#![expect(unsafe_code, reason = "unshare is unsafe for the descriptor tables that it can part")]

/// Runs `work` on a thread with a network namespace of its own; `None`, with the reason printed, where the
/// process may not have one.
pub(crate) fn in_own_namespace<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    std::thread::spawn(move || {
        if !std::path::Path::new("/dev/net/tun").exists() {
            eprintln!("skipped: /dev/net/tun is missing");
            return None;
        }
        // SAFETY: the new namespace concerns this thread alone, which shares no descriptor table.
        let unshared = unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNET) };
        if let Err(error) = unshared {
            eprintln!("skipped: no network namespace of its own: {error}");
            return None;
        }
        Some(work())
    })
    .join()
    .expect("the thread in its own namespace did not panic")
}

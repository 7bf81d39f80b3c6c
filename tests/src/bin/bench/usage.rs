//! What programs and the whole machine have used, from `/proc`.

use std::fs;

use anyhow::{Context as _, Result};

/// Seconds that all threads of a program have run so far (`/proc/PID/task/TID/schedstat`, nanoseconds).
///
/// # Errors
/// It has ended.
pub(crate) fn seconds_of(process: u32) -> Result<f64> {
    let mut nanoseconds = 0_u64;
    for task in fs::read_dir(format!("/proc/{process}/task")).context("a program that has ended")? {
        // One that has ended meanwhile is missing from both ends of a difference, or from neither.
        let text = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
        let ran = text.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
        nanoseconds += ran.unwrap_or_default();
    }
    Ok(nanoseconds as f64 / 1e9)
}

/// Seconds that all processors have worked so far, interrupts included (`/proc/stat`, ticks of 10 ms).
///
/// # Errors
/// `/proc` cannot be read.
pub(crate) fn seconds_of_all() -> Result<f64> {
    let text = fs::read_to_string("/proc/stat").context("/proc/stat")?;
    let first = text.lines().next().context("/proc/stat is empty")?;
    let ticks: Vec<f64> = first.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
    // user nice system idle iowait irq softirq steal: the two in the middle are no work.
    let worked = ticks.iter().take(8).sum::<f64>() - ticks.iter().skip(3).take(2).sum::<f64>();
    Ok(worked / rustix::param::clock_ticks_per_second() as f64)
}

/// MiB of a program that were resident at the most so far.
///
/// # Errors
/// It has ended.
pub(crate) fn peak_mib_of(process: u32) -> Result<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).context("a program that has ended")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    let kib: f64 = line.split_whitespace().next().context("an empty VmHWM")?.parse()?;
    Ok(kib / 1024.0)
}

//! Figures as people read them, in the style of `wg show`.

use std::time::Duration;

const UNITS: [(u64, &str); 5] =
    [(365 * 86_400, "year"), (86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second")];

/// A duration in whole seconds, such as `1 minute, 12 seconds`; `0 seconds` below one. A year has
/// 365 days.
#[must_use]
pub fn duration(duration: Duration) -> String {
    let mut left = duration.as_secs();
    let mut parts = Vec::new();
    for (seconds, name) in UNITS {
        let count = left / seconds;
        left %= seconds;
        match count {
            0 => {}
            1 => parts.push(format!("1 {name}")),
            _ => parts.push(format!("{count} {name}s")),
        }
    }
    if parts.is_empty() { "0 seconds".to_owned() } else { parts.join(", ") }
}

/// How long something is past, such as `1 minute, 12 seconds ago`; `now` below a second.
#[must_use]
pub fn ago(past: Duration) -> String {
    if past.as_secs() == 0 { "now".to_owned() } else { format!("{} ago", duration(past)) }
}

/// A number of bytes in binary units: `980 B`, `1.21 MiB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let exponent = count.ilog2() / 10;
    let unit = UNITS[exponent as usize - 1];
    // In hundredths of the unit, so that no float has to be trusted with 64 bits.
    let hundredths = (u128::from(count) * 100) >> (10 * exponent);
    format!("{}.{:02} {unit}", hundredths / 100, hundredths % 100)
}

/// A round-trip time: `20.9 ms`, with two decimals below 10 ms, in seconds from one second on.
#[must_use]
pub fn rtt(rtt: Duration) -> String {
    let milliseconds = rtt.as_secs_f64() * 1e3;
    if milliseconds < 9.995 {
        format!("{milliseconds:.2} ms")
    } else if milliseconds < 999.95 {
        format!("{milliseconds:.1} ms")
    } else {
        format!("{:.2} s", rtt.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_name_each_unit_that_counts() {
        let cases = [
            (0, "0 seconds"),
            (1, "1 second"),
            (72, "1 minute, 12 seconds"),
            (7_200, "2 hours"),
            (365 * 86_400 + 2 * 86_400 + 3_661, "1 year, 2 days, 1 hour, 1 minute, 1 second"),
        ];
        for (seconds, said) in cases {
            assert_eq!(duration(Duration::from_secs(seconds)), said);
        }
        assert!(duration(Duration::MAX).contains("years"));
    }

    #[test]
    fn what_is_past_is_ago_or_now() {
        assert_eq!(ago(Duration::from_millis(999)), "now");
        assert_eq!(ago(Duration::from_millis(72_900)), "1 minute, 12 seconds ago");
    }

    #[test]
    fn bytes_have_two_decimals_from_a_kibibyte_on() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.00 KiB"),
            (1_268_777, "1.21 MiB"),
            (1 << 30, "1.00 GiB"),
            (u64::MAX, "15.99 EiB"),
        ];
        for (count, said) in cases {
            assert_eq!(bytes(count), said);
        }
    }

    #[test]
    fn round_trips_keep_three_digits() {
        let cases = [(42, "0.04 ms"), (9_994, "9.99 ms"), (9_996, "10.0 ms"), (20_912, "20.9 ms")];
        for (microseconds, said) in cases {
            assert_eq!(rtt(Duration::from_micros(microseconds)), said);
        }
        assert_eq!(rtt(Duration::from_millis(999)), "999.0 ms");
        assert_eq!(rtt(Duration::from_millis(1_250)), "1.25 s");
    }
}

//! The table: rows of figures, a column for each contender, medians and ratios.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A row of the table, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Row {
    Up,
    Down,
    UpFour,
    ProcessorUp,
    ProcessorDown,
    ProcessorFour,
    ProcessorUpPc,
    ProcessorUpVps,
    ProcessorDownPc,
    ProcessorDownVps,
    ProcessorFourPc,
    ProcessorFourVps,
    Datagrams1200,
    Datagrams64,
    IdleMedian,
    IdleTail,
    LoadedUpMedian,
    LoadedUpTail,
    LoadedDownMedian,
    LoadedDownTail,
    LoadedFourMedian,
    LoadedFourTail,
    MemoryPc,
    MemoryVps,
    FirstPacket,
    Restart,
}

impl Row {
    fn label(self) -> &'static str {
        match self {
            Self::Up => "TCP up, Gb/s",
            Self::Down => "TCP down, Gb/s",
            Self::UpFour => "TCP up, 4 streams, Gb/s",
            Self::ProcessorUp => "CPU up, whole path, s/GB",
            Self::ProcessorDown => "CPU down, whole path, s/GB",
            Self::ProcessorFour => "CPU 4 streams, whole path, s/GB",
            Self::ProcessorUpPc => "CPU up, pc's program, s/GB",
            Self::ProcessorUpVps => "CPU up, VPS's program, s/GB",
            Self::ProcessorDownPc => "CPU down, pc's program, s/GB",
            Self::ProcessorDownVps => "CPU down, VPS's program, s/GB",
            Self::ProcessorFourPc => "CPU 4 streams, pc's program, s/GB",
            Self::ProcessorFourVps => "CPU 4 streams, VPS's program, s/GB",
            Self::Datagrams1200 => "UDP 1200 B, thousand/s",
            Self::Datagrams64 => "UDP 64 B, thousand/s",
            Self::IdleMedian => "RTT idle p50, µs",
            Self::IdleTail => "RTT idle p99, µs",
            Self::LoadedUpMedian => "RTT under TCP up p50, ms",
            Self::LoadedUpTail => "RTT under TCP up p99, ms",
            Self::LoadedDownMedian => "RTT under TCP down p50, ms",
            Self::LoadedDownTail => "RTT under TCP down p99, ms",
            Self::LoadedFourMedian => "RTT under 4 streams p50, ms",
            Self::LoadedFourTail => "RTT under 4 streams p99, ms",
            Self::MemoryPc => "peak RSS, pc, MiB",
            Self::MemoryVps => "peak RSS, VPS, MiB",
            Self::FirstPacket => "start to first packet, ms",
            Self::Restart => "VPS's restart to silent pc reached, ms",
        }
    }
}

/// What one contender reached, repeat by repeat.
#[derive(Debug, Default)]
pub(crate) struct Figures(BTreeMap<Row, Vec<f64>>);

impl Figures {
    pub(crate) fn add(&mut self, row: Row, figure: f64) {
        self.0.entry(row).or_default().push(figure);
    }

    fn median(&self, row: Row) -> Option<f64> {
        self.0.get(&row).map(|figures| median(figures))
    }
}

/// The medians in Markdown, with what the second column is of each other in brackets.
pub(crate) fn table(names: &[&str], figures: &[Figures]) -> String {
    let mut text = format!("| median | {} |\n|---|{}\n", names.join(" | "), "---:|".repeat(names.len()));
    let mut rows: Vec<Row> = figures.iter().flat_map(|figures| figures.0.keys().copied()).collect();
    rows.sort_unstable();
    rows.dedup();
    for row in rows {
        let _ = write!(text, "| {} |", row.label());
        let ours = figures.get(1).and_then(|ours| ours.median(row));
        for (column, figures) in figures.iter().enumerate() {
            let _ = match (figures.median(row), ours) {
                (None, _) => write!(text, " – |"),
                (Some(median), Some(ours)) if column != 1 => {
                    write!(text, " {} (× {:.2}) |", short(median), ours / median)
                }
                (Some(median), _) => write!(text, " {} |", short(median)),
            };
        }
        text.push('\n');
    }
    text
}

/// Every figure, one a line, separated by tabs.
pub(crate) fn raw(names: &[&str], figures: &[Figures]) -> String {
    let mut text = String::new();
    for (name, figures) in names.iter().zip(figures) {
        for (row, figures) in &figures.0 {
            for (repeat, figure) in figures.iter().enumerate() {
                let _ = writeln!(text, "{name}\t{}\t{}\t{figure}", row.label(), repeat + 1);
            }
        }
    }
    text
}

/// Three digits, or all before the point.
fn short(figure: f64) -> String {
    let digits = if figure < 10.0 { 2 } else { usize::from(figure < 100.0) };
    format!("{figure:.digits$}")
}

fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one_or_between_the_middle_two() {
        assert_eq!(median(&[3.0, 1.0, 2.0]).to_bits(), 2f64.to_bits());
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]).to_bits(), 2.5f64.to_bits());
    }

    #[test]
    fn the_table_has_medians_and_what_ours_is_of_each_other() {
        let [mut bare, mut ours] = [Figures::default(), Figures::default()];
        for (bare_figure, our_figure) in [(4.0, 3.0), (8.0, 2.0), (5.0, 5.0)] {
            bare.add(Row::Up, bare_figure);
            ours.add(Row::Up, our_figure);
        }
        ours.add(Row::MemoryPc, 10.25);
        let table = table(&["bare", "v6tun"], &[bare, ours]);
        let lines: Vec<&str> = table.lines().collect();
        assert_eq!(lines[2], "| TCP up, Gb/s | 5.00 (× 0.60) | 3.00 |");
        assert_eq!(lines[3], "| peak RSS, pc, MiB | – | 10.2 |");
    }
}

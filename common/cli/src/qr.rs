//! QR codes (ISO/IEC 18004) for a terminal.

use qrcode::types::QrError;
use qrcode::{Color, EcLevel, QrCode};
use zeroize::Zeroizing;

use crate::Failure;

/// The light margin that a reader needs, in modules on each side.
const QUIET_ZONE: usize = 4;

/// Black on white of the fixed part of the 256 colours; the first sixteen are what a theme makes of them.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
const RESET: &str = "\x1b[0m";

/// `text` as a QR code of half blocks, two modules a character; each line ends with a newline.
///
/// `colours` paints it black on white, whatever the terminal's own colours are: for a terminal alone.
/// Without them a block is a dark module, which a page of dark writing on light ground shows as it is.
///
/// The text that comes back is wiped when dropped; the encoder's own buffers are not.
///
/// # Errors
/// Where the text is longer than a QR code can be, 2953 bytes.
pub fn render(text: &str, colours: bool) -> Result<Zeroizing<String>, Failure> {
    // A screen has no scratches that error correction would have to mend: the lowest level is the smallest.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).map_err(|why| refusal(text, why))?;
    let modules = Modules { side: code.width(), colours: code.into_colors() };
    let (start, end) = if colours { (BLACK_ON_WHITE, RESET) } else { ("", "") };
    let side = modules.side + 2 * QUIET_ZONE;
    let line_len = start.len() + side * '█'.len_utf8() + end.len() + 1;
    let mut rendered = Zeroizing::new(String::with_capacity(line_len * side.div_ceil(2)));
    for row in (0..side).step_by(2) {
        rendered.push_str(start);
        rendered.extend((0..side).map(|column| modules.half_blocks(column, row)));
        rendered.push_str(end);
        rendered.push('\n');
    }
    Ok(rendered)
}

/// A square of modules, row by row.
struct Modules {
    side: usize,
    colours: Vec<Color>,
}

impl Modules {
    /// The character for two modules, one above the other, counted from the margin's corner.
    fn half_blocks(&self, column: usize, row: usize) -> char {
        match (self.is_dark(column, row), self.is_dark(column, row + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        }
    }

    fn is_dark(&self, column: usize, row: usize) -> bool {
        let inside = |position: usize| position.checked_sub(QUIET_ZONE).filter(|inside| *inside < self.side);
        let (Some(column), Some(row)) = (inside(column), inside(row)) else { return false };
        self.colours.get(row * self.side + column) == Some(&Color::Dark)
    }
}

fn refusal(text: &str, why: QrError) -> Failure {
    let why = match why {
        QrError::DataTooLong => format!("{} bytes are more than one holds", text.len()),
        other => other.to_string(),
    };
    Failure::failed(format!("cannot make a QR code: {why}")).with_hint("without --qr it is printed as text")
}

#[cfg(test)]
mod tests {
    use quircs::Quirc;

    use super::*;

    /// Pixels a module for the reader.
    const SCALE: usize = 4;

    /// What a QR code reader that shares nothing with the encoder sees in `rendered`.
    fn scan(rendered: &str) -> Vec<u8> {
        let rows: Vec<[Vec<bool>; 2]> = rendered.lines().map(halves).collect();
        let width = rows[0][0].len() * SCALE;
        let mut image = Vec::new();
        for row in rows.iter().flatten() {
            assert_eq!(row.len() * SCALE, width, "a ragged edge");
            let line: Vec<u8> = row.iter().flat_map(|dark| [if *dark { 0 } else { 255 }; SCALE]).collect();
            image.extend((0..SCALE).flat_map(|_| line.clone()));
        }
        let mut reader = Quirc::default();
        let mut found = reader.identify(width, image.len() / width, &image);
        found.next().expect("a code").unwrap().decode().unwrap().payload
    }

    /// The dark modules of a line's upper and lower halves.
    fn halves(line: &str) -> [Vec<bool>; 2] {
        let dark = |blocks: [char; 2]| line.chars().map(|c| blocks.contains(&c)).collect();
        [dark(['█', '▀']), dark(['█', '▄'])]
    }

    #[test]
    fn a_reader_reads_what_was_written() {
        let invitation = format!("v6tun1:{}", "AQAKsP8A".repeat(14));
        let configuration = "[Interface]\nMTU = 1440\n".repeat(20);
        for text in ["a", &invitation, &configuration, "2001:db8::2330 näher", &"x".repeat(2953)] {
            let rendered = render(text, false).unwrap();
            assert_eq!(String::from_utf8(scan(&rendered)).unwrap(), text);
        }
    }

    #[test]
    fn an_invitation_fits_into_a_terminal_of_80_columns_and_25_rows() {
        let rendered = render(&format!("v6tun1:{}", "AQAKsP8A".repeat(14)), false).unwrap();
        assert!(rendered.lines().all(|line| line.chars().count() == 49));
        assert_eq!(rendered.lines().count(), 25);
    }

    #[test]
    fn colours_change_nothing_but_colours_and_end_with_each_line() {
        let plain = render("v6tun", false).unwrap();
        let coloured = render("v6tun", true).unwrap();
        assert!(!plain.contains('\x1b'));
        for (plain, coloured) in plain.lines().zip(coloured.lines()) {
            assert_eq!(coloured, format!("{BLACK_ON_WHITE}{plain}{RESET}"));
        }
    }

    #[test]
    fn a_margin_of_four_modules_is_light() {
        let rendered = render("v6tun", false).unwrap();
        let rows: Vec<Vec<bool>> = rendered.lines().flat_map(halves).collect();
        let side = rows[0].len();
        let dark = (0..side).flat_map(|row| (0..side).map(move |column| (row, column)));
        let dark: Vec<_> = dark.filter(|(row, column)| rows[*row][*column]).collect();
        let bound = |pick: fn(&(usize, usize)) -> usize| {
            (dark.iter().map(pick).min().unwrap(), dark.iter().map(pick).max().unwrap())
        };
        assert_eq!(bound(|place| place.0), (QUIET_ZONE, side - QUIET_ZONE - 1));
        assert_eq!(bound(|place| place.1), (QUIET_ZONE, side - QUIET_ZONE - 1));
    }

    #[test]
    fn the_buffer_never_grows_and_so_leaves_no_copy_behind() {
        for text in ["a".repeat(300), "b".to_owned()] {
            let rendered = render(&text, true).unwrap();
            assert!(rendered.len() <= rendered.capacity());
            let side = rendered.lines().next().unwrap().chars().filter(|c| " █▀▄".contains(*c)).count();
            let line = BLACK_ON_WHITE.len() + side * '█'.len_utf8() + RESET.len() + 1;
            assert_eq!(rendered.capacity(), line * side.div_ceil(2));
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_refused_with_a_way_out() {
        let failure = render(&"x".repeat(2954), false).unwrap_err();
        assert_eq!(failure.to_string(), "cannot make a QR code: 2954 bytes are more than one holds");
        assert!(failure.hint().unwrap().contains("without --qr"));
    }
}

//! Cells: the apostrophe that keeps a spreadsheet from taking text for a formula, and texts without what deceives.

use std::borrow::Cow;

use emporium_kernel::{Line, Prose, TextError};

use crate::ShopError;
use crate::csv::unreadable;

/// Whether a spreadsheet would take a cell that begins like this for a formula; some read full-width signs like the
/// others, and look behind white space.
pub(super) fn is_formula(text: &str) -> bool {
    let signs = ['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];
    let behind = text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    text.starts_with(['\t', '\r', '\n']) || behind.starts_with(signs)
}

/// The text as it is written: with an apostrophe before a formula, and before an apostrophe, so that reading can always
/// drop one.
pub(super) fn guard(text: &str) -> Cow<'_, str> {
    if is_formula(text) || text.starts_with('\'') { format!("'{text}").into() } else { text.into() }
}

/// A text of one line and whether characters had to be taken out of it; empty when there is nothing in it.
pub(super) fn one_line<const MAX: usize>(line: u64, column: &str, text: &str) -> Result<(String, bool), ShopError> {
    let parse = |text: &str| Line::<MAX>::parse(text).map(Line::into_string);
    let joined = || visible(text).split_whitespace().collect::<Vec<_>>().join(" ");
    checked(parse, text, joined).map_err(|most| too_long(line, column, most))
}

/// The same for a text that may have line breaks.
pub(super) fn prose<const MAX: usize>(line: u64, column: &str, text: &str) -> Result<(String, bool), ShopError> {
    let parse = |text: &str| Prose::<MAX>::parse(text).map(Prose::into_string);
    checked(parse, text, || visible(text)).map_err(|most| too_long(line, column, most))
}

fn too_long(line: u64, column: &str, most: usize) -> ShopError {
    unreadable(line, format!("{column} is longer than {most} characters"))
}

fn checked(
    parse: impl Fn(&str) -> Result<String, TextError>,
    text: &str,
    cleaned: impl Fn() -> String,
) -> Result<(String, bool), usize> {
    let (parsed, was_cleaned) = match parse(text) {
        Err(TextError::Forbidden) => (parse(&cleaned()), true),
        parsed => (parsed, false),
    };
    match parsed {
        Ok(text) => Ok((text, was_cleaned)),
        Err(TextError::TooLong(most)) => Err(most),
        Err(TextError::Blank | TextError::Forbidden) => Ok((String::new(), was_cleaned)),
    }
}

/// The text without characters that no text may have.
fn visible(text: &str) -> String {
    text.chars().filter(|c| Prose::<3>::parse(&format!("a{c}a")).is_ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_and_apostrophes_are_guarded() {
        for (text, written) in
            [("=1+1", "'=1+1"), ("-30°", "'-30°"), ("'tis", "''tis"), ("tea", "tea"), ("", ""), ("a=b", "a=b")]
        {
            assert_eq!(guard(text), written);
        }
        for sign in ["=", "+", "-", "@", "\t", "\r", "\n", "\u{ff1d}", "\u{ff0b}", "\u{ff0d}", "\u{ff20}"] {
            let text = format!("{sign}1");
            assert_eq!(guard(&text), format!("'{text}"));
        }
        for behind in [" =1", "\u{a0}+1", "\u{feff}@1", " \u{2003} -1"] {
            assert_eq!(guard(behind), format!("'{behind}"));
        }
        assert_eq!(guard(" tea"), " tea");
    }

    #[test]
    fn one_line_texts_lose_what_deceives() {
        let read = |text| one_line::<9>(3, "Title", text).expect("reads");
        assert_eq!(read("  tea "), ("tea".to_owned(), false));
        assert_eq!(read("green\r\ntea"), ("green tea".to_owned(), true));
        assert_eq!(read("te\u{200b}a\u{1}"), ("tea".to_owned(), true));
        assert_eq!(read("\u{200b}"), (String::new(), true));
        let refused = one_line::<3>(7, "Title", "teas").expect_err("too long");
        assert_eq!(refused, unreadable(7, "Title is longer than 3 characters"));
    }
}

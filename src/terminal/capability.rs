//! The capabilities of a terminal, by its name in the environment variable `TERM`. They come from the system's terminfo entry, or from the name if there is
//! no entry.

/// The number of colours of a terminal; `None` if it is unknown.
#[must_use]
pub fn colours(term: &str) -> Option<u32> {
    terminfo(term).map(|entry| entry.colours).or_else(|| colours_by_name(term))
}

/// `true` if a terminal can clear its screen and move its cursor to a line and column. A terminal without a terminfo entry is assumed to have both
/// capabilities, except `dumb` and `unknown`, which never have them.
#[must_use]
pub fn can_be_drawn_on(term: &str) -> bool {
    !matches!(term, "dumb" | "unknown") && terminfo(term).is_none_or(|entry| entry.can_clear_and_move)
}

/// The capabilities in a terminfo entry that gradstep needs.
#[derive(Clone, Copy, Debug)]
struct TerminfoEntry {
    colours: u32,
    /// `true` if the screen can be cleared and the cursor moved to a line and column.
    can_clear_and_move: bool,
}

/// Reads the terminfo entry of a terminal; `None` if there is no entry.
#[cfg(unix)]
fn terminfo(term: &str) -> Option<TerminfoEntry> {
    use termini::{NumberCapability, StringCapability, TermInfo};

    // the name becomes part of a path, so it must not lead to another folder
    if term.is_empty() || term.starts_with('.') || term.contains('/') {
        return None;
    }
    let entry = TermInfo::from_name(term).ok()?;
    let has = |capability| entry.raw_string_cap(capability).is_some_and(|text| !text.is_empty());
    Some(TerminfoEntry {
        colours: entry.number_cap(NumberCapability::MaxColors).and_then(|n| n.try_into().ok()).unwrap_or(0),
        can_clear_and_move: has(StringCapability::ClearScreen) && has(StringCapability::CursorAddress),
    })
}

#[cfg(not(unix))]
fn terminfo(_term: &str) -> Option<TerminfoEntry> {
    None
}

/// The number of colours of terminals that are known by name. The VT terminals of DEC (`vt100`, `vt220`) have no colours.
fn colours_by_name(term: &str) -> Option<u32> {
    let is_dec = term.strip_prefix("vt").is_some_and(|model| model.starts_with(|c: char| c.is_ascii_digit()));
    (is_dec || matches!(term, "dumb" | "unknown")).then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_come_from_terminfo_or_the_name() {
        for term in ["vt100", "vt220", "vt52", "dumb", "unknown"] {
            assert_eq!(colours(term), Some(0), "{term}");
            assert_eq!(colours_by_name(term), Some(0), "{term}");
        }
        // if there is a terminfo entry, it gives these terminals at least 8 colours
        for term in ["linux", "xterm", "ansi", "xterm-16color", "xterm-256color", "screen", "rxvt"] {
            assert!(colours(term).is_none_or(|n| n >= 8), "{term}: {:?}", colours(term));
            assert!(can_be_drawn_on(term), "{term}");
        }
        for term in ["dumb", "unknown"] {
            assert!(!can_be_drawn_on(term), "{term}");
        }
        for term in ["", ".", "..", "../x", "/etc/passwd", "no-such-terminal"] {
            assert_eq!(colours(term), None, "{term}");
            assert!(can_be_drawn_on(term), "{term}");
        }
    }
}

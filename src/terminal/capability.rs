//! The capabilities of the terminal named by `TERM`: from the system's terminfo entry, or from the name if there is no entry.

/// The number of colours of a terminal; `None` if it is unknown.
#[must_use]
pub fn colours(term: &str) -> Option<u32> {
    described(term).map(|it| it.colours).or_else(|| named(term))
}

/// Whether a terminal can be cleared and its cursor moved to a line and column. An unknown terminal is assumed to have both.
#[must_use]
pub fn can_be_drawn_on(term: &str) -> bool {
    !matches!(term, "dumb" | "unknown") && described(term).is_none_or(|it| it.drawn_on)
}

/// The used part of a terminfo entry.
#[derive(Clone, Copy, Debug)]
struct Described {
    colours: u32,
    drawn_on: bool,
}

#[cfg(unix)]
fn described(term: &str) -> Option<Described> {
    use termini::{NumberCapability, StringCapability, TermInfo};

    // a name, not a path
    if term.is_empty() || term.starts_with('.') || term.contains('/') {
        return None;
    }
    let found = TermInfo::from_name(term).ok()?;
    let has = |capability| found.raw_string_cap(capability).is_some_and(|text| !text.is_empty());
    Some(Described {
        colours: found.number_cap(NumberCapability::MaxColors).and_then(|n| n.try_into().ok()).unwrap_or(0),
        drawn_on: has(StringCapability::ClearScreen) && has(StringCapability::CursorAddress),
    })
}

#[cfg(not(unix))]
fn described(_term: &str) -> Option<Described> {
    None
}

/// The colours of terminals that are known by name: the VT terminals of DEC have none.
fn named(term: &str) -> Option<u32> {
    let dec = term.strip_prefix("vt").is_some_and(|model| model.starts_with(|c: char| c.is_ascii_digit()));
    (dec || matches!(term, "dumb" | "unknown")).then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_come_from_terminfo_or_the_name() {
        for term in ["vt100", "vt220", "vt52", "dumb", "unknown"] {
            assert_eq!(colours(term), Some(0), "{term}");
            assert_eq!(named(term), Some(0), "{term}");
        }
        // a terminfo entry, if there is one, gives them at least 8 colours
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

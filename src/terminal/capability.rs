//! The abilities of the terminal that `TERM` names, from the system's own description of it (terminfo), or from its name where there is none.

/// The number of colours of a terminal; `None` where nothing describes it.
#[must_use]
pub fn colours(term: &str) -> Option<u32> {
    described(term).map(|it| it.colours).or_else(|| named(term))
}

/// Whether a terminal can be drawn on: it can be cleared, and its cursor goes to a line and column. One that nothing describes is taken to.
#[must_use]
pub fn can_be_drawn_on(term: &str) -> bool {
    !matches!(term, "dumb" | "unknown") && described(term).is_none_or(|it| it.drawn_on)
}

/// A terminal's description, as much of it as matters here.
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

/// The colours of terminals that are known by their names: those of DEC have none.
fn named(term: &str) -> Option<u32> {
    let dec = term.strip_prefix("vt").is_some_and(|model| model.starts_with(|c: char| c.is_ascii_digit()));
    (dec || matches!(term, "dumb" | "unknown")).then_some(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminals_are_known_by_their_description_or_name() {
        for term in ["vt100", "vt220", "vt52", "dumb", "unknown"] {
            assert_eq!(colours(term), Some(0), "{term}");
            assert_eq!(named(term), Some(0), "{term}");
        }
        // where there is a description of them, it gives them colours; 8 is what the oldest have
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

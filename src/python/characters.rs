//! The characters of names, and the blanks between tokens.

/// Returns whether a name can begin with this character.
pub(super) fn begins_name(c: char) -> bool {
    // ᵀ is a letter, but a learner means the transpose
    (c.is_alphabetic() || c == '_') && c != 'ᵀ'
}

/// Returns whether this character can be in a name, after its first character. A combining accent can, as in x̂; a superscript digit cannot, as in x².
pub(super) fn continues_name(c: char) -> bool {
    begins_name(c) || c.is_ascii_digit() || ('\u{300}'..='\u{36f}').contains(&c)
}

/// Returns the length of the name at the beginning of a text; 0 if the text does not begin with a name.
pub(super) fn name_length(text: &str) -> usize {
    if !text.starts_with(begins_name) {
        return 0;
    }
    // most names are ASCII, which is read faster byte by byte
    let length = text.bytes().position(|byte| !byte.is_ascii_alphanumeric() && byte != b'_').unwrap_or(text.len());
    if text[length..].starts_with(continues_name) { text.find(|c| !continues_name(c)).unwrap_or(text.len()) } else { length }
}

pub(super) fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

/// Returns the length of the blanks at the beginning of a text.
pub(super) fn blank_length(text: &str) -> usize {
    // most blanks are ASCII, and most of them precede a character that can be seen
    let length = text.bytes().position(|byte| byte != b' ').unwrap_or(text.len());
    if text[length..].starts_with(|c: char| c.is_ascii_graphic()) {
        return length;
    }
    text.find(|c: char| !c.is_whitespace() || is_line_end(c)).unwrap_or(text.len())
}

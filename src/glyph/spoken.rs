//! Converts equations to spoken words for screen readers: `∂C/∂w₁₂ = a₂·δ₁` becomes `d C by d w 1 2 equals a 2 times delta 1`.

use super::{SUBSCRIPTS, ascii, is_in_exponent};

/// Converts a text to spoken words. Mathematical signs and Greek letters become words, and subscripts become numbers. An ASCII sign becomes a word only if it
/// has a blank on both sides, as in an equation: `*` is a convolution, `-` a minus. Line breaks stay.
#[must_use]
pub fn spoken(text: &str) -> String {
    let is_equation = true;
    text.split('\n').map(|text| line(text, is_equation)).collect::<Vec<_>>().join("\n")
}

/// Does the same as [`spoken`] for a text of one line, but keeps ASCII signs. It is for sentences that may contain a text to type, such as `/ > 1`.
#[must_use]
pub fn spoken_sentence(text: &str) -> String {
    let is_equation = false;
    line(text, is_equation)
}

/// Converts one line. ASCII signs become words only if `is_equation` is `true`.
fn line(text: &str, is_equation: bool) -> String {
    let chars: Vec<char> = text.chars().collect();
    // each word gets a blank on both sides; the blanks that are not needed are removed at the end
    let mut said = String::with_capacity(2 * text.len());
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        let is_operator = is_equation && at > 0 && chars[at - 1] == ' ' && chars.get(at + 1) == Some(&' ');
        at += 1; // from here on, `at` is the index after that of `c`
        let is_in_exponent_of_ten = c == '−' && at > 2 && chars[at - 2] == 'e' && chars[at - 3].is_ascii_digit();
        if is_in_exponent_of_ten {
            said.push('-');
        } else if let Some(word) = word(c).or_else(|| operator(c).filter(|_| is_operator)) {
            said.extend([" ", word, " "]);
        } else if c == '/' && chars.get(at) == Some(&'∂') {
            said.push_str(" by ");
        } else if c == '⁽' {
            let end = chars[at..].iter().position(|c| *c == '⁾').map_or(chars.len(), |end| at + end);
            said.extend([" of layer ", &chars[at..end].iter().copied().map(ascii).collect::<String>(), " "]);
            at = (end + 1).min(chars.len());
        } else if is_in_subscript(c) {
            let end = at - 1 + subscript_len(&chars[at - 1..]);
            said.extend([" ", &subscripts(&chars[at - 1..end]), " "]);
            at = end;
        } else if is_in_exponent(c) {
            let end = at - 1 + prefix_len(&chars[at - 1..], is_in_exponent);
            let exponent: String =
                chars[at - 1..end].iter().map(|c| if *c == '⁻' { "minus ".to_owned() } else { ascii(*c).to_string() }).collect();
            said.extend([" to the ", &exponent, " "]);
            at = end;
        } else {
            said.push(if c.is_alphanumeric() { c } else { ascii(c) });
        }
    }
    tidy(&said)
}

/// Returns the number of characters at the beginning for which a function returns `true`.
fn prefix_len(chars: &[char], is_in_prefix: impl Fn(char) -> bool) -> usize {
    chars.iter().position(|c| !is_in_prefix(*c)).unwrap_or(chars.len())
}

/// Returns the number of characters of a subscript at the beginning, such as `₁₀,₂`. A comma belongs to it only if another subscript follows; in `a₁, a₂`, none
/// does.
fn subscript_len(chars: &[char]) -> usize {
    let is_inside = |at: usize| is_in_subscript(chars[at]) || chars[at] == ',' && chars.get(at + 1).is_some_and(|c| is_in_subscript(*c));
    (0..chars.len()).find(|at| !is_inside(*at)).unwrap_or(chars.len())
}

/// Returns whether a character is a subscript.
fn is_in_subscript(c: char) -> bool {
    SUBSCRIPTS.contains(&c) || "ᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₐₑₕₓ₊₋".contains(c)
}

/// Returns subscripts as words: `1 2` for `₁₂`, `10 2` for `₁₀,₂`.
fn subscripts(chars: &[char]) -> String {
    let between = if chars.contains(&',') { "" } else { " " };
    let word = |c: &char| match c {
        ',' => " ".to_owned(),
        '₊' => "plus".to_owned(),
        '₋' => "minus".to_owned(),
        c => ascii(*c).to_string(),
    };
    chars.iter().map(word).collect::<Vec<_>>().join(between)
}

/// Removes repeated blanks, blanks inside brackets, and blanks before a punctuation mark. A `?` that ends no sentence is a hidden number, and keeps its blank.
fn tidy(text: &str) -> String {
    let mut words = text.split_whitespace().peekable();
    let mut tidy = String::with_capacity(text.len());
    while let Some(word) = words.next() {
        let ends_question = word == "?" && words.peek().is_none_or(|next| next.starts_with(char::is_uppercase));
        if !ends_question && !tidy.is_empty() && !tidy.ends_with(['(', '[']) && !word.starts_with([')', ']', ',', '.', ';', ':']) {
            tidy.push(' ');
        }
        tidy.push_str(word);
    }
    tidy
}

/// Returns the word for a sign that always becomes a word.
fn word(c: char) -> Option<&'static str> {
    Some(match c {
        '·' | '⋅' => "times",
        '∘' => "elementwise times",
        '−' => "minus",
        '×' => "by",
        '÷' => "divided by",
        '←' => "becomes",
        '→' => "to",
        '≈' => "is about",
        '≠' => "is not",
        '≤' => "at most",
        '≥' => "at least",
        '±' => "plus or minus",
        '∂' => "d",
        'Σ' | '∑' => "sum of",
        'Δ' => "change of",
        '⟨' => "inner product of",
        '⟩' => "",
        '√' => "square root of",
        '∞' => "infinity",
        '½' => "one half",
        '′' => "prime",
        'ᵀ' => "transposed",
        '°' => "degrees",
        '²' => "squared",
        '³' => "cubed",
        '∙' => "not computed yet",
        '…' => "and so on",
        'α' => "alpha",
        'β' => "beta",
        'δ' => "delta",
        'ε' => "epsilon",
        'η' => "eta",
        'λ' => "lambda",
        'τ' => "tau",
        'μ' => "mu",
        'π' => "pi",
        'σ' => "sigma",
        'φ' => "phi",
        'Φ' => "capital phi",
        _ => return None,
    })
}

/// Returns the word for a sign that becomes a word only in an equation.
fn operator(c: char) -> Option<&'static str> {
    Some(match c {
        '=' => "equals",
        '+' => "plus",
        '-' => "minus",
        '*' => "convolved with",
        '/' => "divided by",
        '<' => "is less than",
        '>' => "is greater than",
        '|' => "given",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equations_are_read_out() {
        for (text, said) in [
            ("∂C/∂w₁₂ = a₂·δ₁", "d C by d w 1 2 equals a 2 times delta 1"),
            ("∂C/∂W⁽¹⁾ = a⁽⁰⁾ * δ⁽¹⁾", "d C by d W of layer 1 equals a of layer 0 convolved with delta of layer 1"),
            ("0.62 + (−0.12) = 0.5", "0.62 plus (minus 0.12) equals 0.5"),
            ("w₁₀,₂ ← w₁₀,₂ − η ∂C/∂w₁₀,₂", "w 10 2 becomes w 10 2 minus eta d C by d w 10 2"),
            ("max(a₁₁, a₁₂) of z₁₁, the first", "max(a 1 1, a 1 2) of z 1 1, the first"),
            ("σ′(z) = σ(z)·(1 − σ(z))", "sigma prime (z) equals sigma (z) times (1 minus sigma (z))"),
            ("1.2e−6 and ⟨a, t⟩", "1.2e-6 and inner product of a, t"),
            ("e⁻ᶻ, x²", "e to the minus z, x squared"),
            ("a fully-connected layer, 1/3 of it. It is 0.", "a fully-connected layer, 1/3 of it. It is 0."),
            ("one\ntwo", "one\ntwo"),
        ] {
            assert_eq!(spoken(text), said);
        }
        assert_eq!(spoken_sentence("write > 1, == 0 or ∂C/∂a"), "write > 1, == 0 or d C by d a");
    }
}

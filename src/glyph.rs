//! Characters of mathematical notation: subscripts (`₁₂`), layer superscripts (`⁽²⁾`), and conversions of texts to ASCII, to LaTeX and to spoken words.

mod spoken;

pub use spoken::{spoken, spoken_sentence};

/// The replacement for a character that has no ASCII form.
pub const UNKNOWN: char = '?';

/// The sign for a number that is not computed yet: U+2219. It looks like the product sign U+00B7, but their ASCII forms differ: `_` for this sign, `*` for a
/// product.
pub const TO_COME: &str = "∙";

/// The sign for a hidden number, which the user has to predict.
pub const HIDDEN: &str = "?";

/// The mark of a node that contains several operations. The number of operations comes after it.
pub const FOLDED: &str = "⊞";

/// The separator between two facts in a line, such as `step 3/57 │ forward`. A dot is not used, because in ASCII it would become a product sign.
pub const SEPARATOR: &str = " │ ";

/// Returns the ASCII character for `c`; [`UNKNOWN`] if there is none.
///
/// Each character becomes one character, so that the layout of a screen does not change. In an equation, `∂` becomes `d`, `δ` (the error) becomes `e`, `ε`
/// becomes `E`, and only a product sign becomes `*`. On the screen, a number that is not computed yet becomes `_`, a neuron becomes `o`, and an edge becomes a
/// line of `.` and `:`.
#[must_use]
#[expect(clippy::match_same_arms, clippy::too_many_lines, reason = "a table, grouped by what the characters mean")]
pub const fn ascii(c: char) -> char {
    match c {
        ' '..='~' => c,
        '\u{a0}' => ' ',
        // Operators and relations.
        '−' | '–' | '—' | '‐' | '‑' => '-',
        '·' | '∗' | '⋅' => '*',
        '∙' => '_',
        '×' => 'x',
        '∘' | '⊙' | '○' | '◦' | '⊗' => 'o',
        '±' | '⊞' => '+',
        '÷' => '/',
        '≈' => '~',
        '≠' => '!',
        '≤' | '⟨' | '«' => '<',
        '≥' | '⟩' | '»' => '>',
        // the brackets of a matrix entry; `<` and `>` would look like arrows
        // `(` and `)` are not used, because they are around negative numbers
        '‹' => '/',
        '›' => '\\',
        '√' | '✓' | '✔' => 'v',
        '∞' => '8',
        // Letters.
        '∂' => 'd',
        'δ' => 'e',
        'ε' | '∈' => 'E',
        'Σ' | '∑' => 'S',
        'Π' | '∏' => 'P',
        'η' => 'n',
        'α' => 'a',
        'β' => 'b',
        'λ' => 'l',
        'τ' => 't',
        'μ' => 'u',
        'σ' => 's',
        'φ' => 'f',
        'Φ' => 'F',
        'Δ' | '∇' => 'D',
        'ᵀ' => 'T',
        // Marks of derivatives and quotation.
        '′' | '’' | '‘' => '\'',
        '″' | '“' | '”' => '"',
        '°' => 'o',
        // Superscripts and subscripts: the digit itself.
        '⁰' | '₀' => '0',
        '¹' | '₁' => '1',
        '²' | '₂' => '2',
        '³' | '₃' => '3',
        '⁴' | '₄' => '4',
        '⁵' | '₅' => '5',
        '⁶' | '₆' => '6',
        '⁷' | '₇' => '7',
        '⁸' | '₈' => '8',
        '⁹' | '₉' => '9',
        '⁺' | '₊' => '+',
        '⁻' | '₋' => '-',
        '⁼' | '₌' => '=',
        '⁽' | '₍' => '(',
        '⁾' | '₎' => ')',
        'ⁱ' | 'ᵢ' => 'i',
        'ʲ' | 'ⱼ' => 'j',
        'ᵏ' | 'ₖ' => 'k',
        'ˡ' | 'ₗ' => 'l',
        'ⁿ' | 'ₙ' => 'n',
        'ᵐ' | 'ₘ' => 'm',
        'ᵒ' | 'ₒ' => 'o',
        'ᵖ' | 'ₚ' => 'p',
        'ʳ' | 'ᵣ' => 'r',
        'ˢ' | 'ₛ' => 's',
        'ᵗ' | 'ₜ' => 't',
        'ᵘ' | 'ᵤ' => 'u',
        'ᵛ' | 'ᵥ' => 'v',
        'ᵃ' | 'ₐ' => 'a',
        'ᵇ' => 'b',
        'ᶜ' => 'c',
        'ᶻ' => 'z',
        'π' => 'p',
        'ᵈ' => 'd',
        'ᵉ' | 'ₑ' => 'e',
        'ʰ' | 'ₕ' => 'h',
        'ʷ' => 'w',
        'ˣ' | 'ₓ' => 'x',
        // Arrows and pointers.
        '←' | '◀' | '◂' | '⟵' | '⇐' => '<',
        '→' | '▶' | '▸' | '⟶' | '⇒' | '↦' | '❯' => '>',
        '↑' | '▲' | '▴' | '↥' => '^',
        '↓' | '▼' | '▾' | '↧' => 'v',
        '↔' | '⇔' | '↕' => '|',
        '↵' | '⏎' => '<',
        '↻' | '⟳' | '⟲' | '◉' => '@',
        // Bullets.
        '•' | '◆' | '■' | '★' => '*',
        '▣' => '%',
        '●' | '◌' | '◇' | '□' | '☆' => 'o',
        '…' | '‥' | '⋯' => '~',
        '⋮' | '┊' | '┆' | '╎' | '╏' => ':',
        '⋱' => '\\',
        // Boxes.
        '─' | '╌' | '┄' | '┈' | '╍' | '┅' | '╴' | '╶' | '‾' | '⎯' => '-',
        '═' | '━' => '=',
        '│' | '┃' | '║' | '╵' | '╷' | '⎢' | '⎥' | '⎜' | '⎟' => '|',
        '┌' | '┐' | '└' | '┘' | '├' | '┤' | '┬' | '┴' | '┼' | '╭' | '╮' | '╰' | '╯' | '┏' | '┓' | '┗' | '┛' | '┣' | '┫' | '┳' | '┻'
        | '╋' | '╔' | '╗' | '╚' | '╝' | '╠' | '╣' | '╦' | '╩' | '╬' => '+',
        '╱' => '/',
        '╲' => '\\',
        '╳' => 'x',
        '⎡' | '⎣' => '[',
        '⎤' | '⎦' => ']',
        // Blocks: a block that fills more of its cell becomes a darker character.
        '░' => ':',
        '▒' => '%',
        '█' | '▓' | '▉' | '▊' | '▋' | '▇' | '▆' => '#',
        '▀' | '▔' => '"',
        '▄' | '▅' | '▃' => '=',
        '▂' | '▁' => '_',
        '▌' | '▍' | '▎' | '▏' | '▐' | '▕' => '|',
        // Braille patterns, which draw edges: `.` for one to three of the eight dots, `:` for more.
        '\u{2800}' => ' ',
        '\u{2801}'..='\u{28ff}' if (c as u32 - 0x2800).count_ones() < 4 => '.',
        '\u{2801}'..='\u{28ff}' => ':',
        _ => UNKNOWN,
    }
}

/// Appends the digits of `n`, each as the character of `table`: [`SUBSCRIPTS`] or [`SUPERSCRIPTS`].
fn push_digits(out: &mut String, n: usize, table: &[char; 10]) {
    if n > 9 {
        push_digits(out, n / 10, table);
    }
    out.push(table[n % 10]);
}

const SUBSCRIPTS: [char; 10] = ['₀', '₁', '₂', '₃', '₄', '₅', '₆', '₇', '₈', '₉'];
const SUPERSCRIPTS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

/// Returns the subscripts of an entry: `₁₂` for `[1, 2]`, or `₁,₂` with commas.
#[must_use]
pub fn subscript(numbers: &[usize], has_commas: bool) -> String {
    let mut out = String::new();
    for (i, &n) in numbers.iter().enumerate() {
        if has_commas && i > 0 {
            out.push(',');
        }
        push_digits(&mut out, n, &SUBSCRIPTS);
    }
    out
}

/// Appends the layer superscript of a symbol: `⁽²⁾` for 2.
pub fn push_superscript_layer(out: &mut String, layer: usize) {
    out.push('⁽');
    push_digits(out, layer, &SUPERSCRIPTS);
    out.push('⁾');
}

/// Replaces each character of a text by [`ascii`]. The width on the screen stays the same: combining marks are dropped, and a character of two cells becomes
/// two characters.
#[must_use]
pub fn ascii_text(text: &str) -> String {
    use unicode_width::UnicodeWidthChar as _;
    text.chars()
        .filter(|c| c.width() != Some(0))
        .flat_map(|c| {
            let cells = c.width().unwrap_or(1);
            let c = if c == '\n' { c } else { ascii(c) };
            std::iter::repeat_n(c, cells)
        })
        .collect()
}

/// Returns a text in ASCII. In contrast to [`ascii_text`], it can be longer than the original: `½` becomes `1/2`, `≤` becomes `<=`, `…` becomes `...`, and
/// `e⁻ᶻ` becomes `e^(-z)`.
#[must_use]
pub fn spelled_out(text: &str) -> String {
    let long_form = |c: char| {
        Some(match c {
            '½' => "1/2",
            '¼' => "1/4",
            '≤' => "<=",
            '≥' => ">=",
            '≠' => "!=",
            '≈' => "~=",
            '←' => "<-",
            '→' => "->",
            '±' => "+-",
            '∞' => "inf",
            '√' => "sqrt ",
            '…' => "...",
            'π' => "pi",
            'ᵀ' => "^T",
            _ => return None,
        })
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        // a layer such as `⁽²⁾` is not an exponent
        let layer_len = rest.strip_prefix('⁽').and_then(|after| after.find('⁾')).map(|end| '⁽'.len_utf8() + end + '⁾'.len_utf8());
        if let Some(len) = layer_len {
            out.push_str(&ascii_text(&rest[..len]));
            rest = &rest[len..];
            continue;
        }
        let exponent_len = rest.find(|c| !is_in_exponent(c)).unwrap_or(rest.len());
        if exponent_len > 0 {
            let exponent = ascii_text(&rest[..exponent_len]);
            let [open, close] = if exponent.len() == 1 { ["^", ""] } else { ["^(", ")"] };
            out.extend([open, &exponent, close]);
            rest = &rest[exponent_len..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match long_form(c) {
            Some(long) if c == '√' && rest.starts_with('(') => out.push_str(long.trim_end()),
            Some(long) => out.push_str(long),
            None => out.push_str(&ascii_text(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// Replaces each hyphen beside a number or a bracket that means minus by the minus sign `−`, as in `1 - 2`, `a(1 - a)`, `·-3`, `(-1)` and `1e-5`. Hyphens in
/// words, as in `2-2-1` and `row-major`, stay, and so do those between two words or letters, as in `a - b`, because they may be dashes.
#[must_use]
pub fn with_minus_signs(text: &str) -> std::borrow::Cow<'_, str> {
    if !text.contains('-') {
        return text.into();
    }
    let chars: Vec<char> = text.chars().collect();
    // the nearest character that is not a blank, before or after position `at`
    let before = |at: usize| chars[..at].iter().rev().find(|c| **c != ' ').copied();
    let after = |at: usize| chars[at + 1..].iter().find(|c| **c != ' ').copied();
    let is_number = |c: Option<char>| c.is_some_and(|c| c.is_ascii_digit() || "∞½¼.".contains(c));
    let is_minus = |at: usize| {
        // the beginning and the end of the text count as blanks
        let [blank_before, blank_after] = [at.checked_sub(1), Some(at + 1)].map(|n| n.and_then(|n| chars.get(n)).is_none_or(|c| *c == ' '));
        // as in 1e-5
        let follows_exponent_letter = at.checked_sub(2).is_some_and(|n| chars[n].is_ascii_digit() && "eE".contains(chars[n + 1]));
        match (blank_before, blank_after) {
            // `1 - a`, `a(x) - b`, but not `word - word`
            (true, true) => is_number(before(at)) || is_number(after(at)) || before(at) == Some(')') || after(at) == Some('('),
            // `= -4`
            (true, false) => is_number(after(at)),
            // `·-3`, `(-1)` and `1e-5`, but not `2-2-1`
            (false, false) => {
                let follows_sign = before(at).is_some_and(|c| !c.is_alphanumeric() && !")]}'’".contains(c));
                is_number(after(at)) && (follows_sign || follows_exponent_letter)
            }
            (false, true) => false,
        }
    };
    (0..chars.len()).map(|at| if chars[at] == '-' && is_minus(at) { '−' } else { chars[at] }).collect::<String>().into()
}

/// Returns whether a character is part of an exponent: a superscript digit, sign or letter. A superscript bracket is not, because it belongs to a layer
/// (`a⁽¹⁾`).
fn is_in_exponent(c: char) -> bool {
    SUPERSCRIPTS.contains(&c) || "⁺⁻ⁱʲᵏˡⁿᵐᵒᵖʳˢᵗᵘᵛᵃᵇᶜᵈᵉʰʷˣᶻ".contains(c)
}

/// Returns a text for LaTeX's math mode. Most Greek letters and some signs become commands (`δ` becomes `\delta`), and the digits of a subscript become a group
/// (`₁₂` becomes `_{12}`). Other characters are unchanged.
#[must_use]
pub fn latex(text: &str) -> String {
    let mut latex = String::with_capacity(text.len());
    let (mut is_after_command, mut is_in_subscript) = (false, false);
    for c in text.chars() {
        let digit = SUBSCRIPTS.iter().position(|other| *other == c).map(|digit| digit.to_string());
        // a comma between subscripts, as in `₁₀,₂`, is part of the group
        let digit_or_comma = digit.or_else(|| (is_in_subscript && c == ',').then(|| ",".to_owned()));
        if digit_or_comma.is_some() != is_in_subscript {
            latex.push_str(if is_in_subscript { "}" } else { "_{" });
            is_in_subscript = !is_in_subscript;
        }
        if let Some(inside) = digit_or_comma {
            latex.push_str(&inside);
            continue;
        }
        let command = match c {
            '½' => r"\tfrac{1}{2}",
            'δ' => r"\delta",
            'ε' => r"\varepsilon",
            'ₜ' => "_t",
            'τ' => r"\tau",
            'η' => r"\eta",
            'α' => r"\alpha",
            'β' => r"\beta",
            'λ' => r"\lambda",
            'μ' => r"\mu",
            'σ' => r"\sigma",
            'φ' => r"\varphi",
            'Φ' => r"\Phi",
            'Σ' => r"\Sigma",
            'Π' => r"\Pi",
            '≤' => r"\le",
            '≥' => r"\ge",
            '≠' => r"\ne",
            '∧' => r"\land",
            '∨' => r"\lor",
            '√' => r"\surd",
            '_' => r"\_",
            '%' => r"\%",
            '&' => r"\&",
            '#' => r"\#",
            '$' => r"\$",
            '−' => "-",
            _ => "",
        };
        if command.is_empty() {
            // a blank ends the command: `δz` becomes `\delta z`, because `\deltaz` would be another command
            latex.extend((is_after_command && c.is_ascii_alphabetic()).then_some(' '));
            latex.push(c);
        } else {
            latex.push_str(command);
        }
        is_after_command = command.ends_with(|c: char| c.is_ascii_alphabetic());
    }
    latex.push_str(if is_in_subscript { "}" } else { "" });
    latex
}

/// Returns the subscript of an index letter, such as ᵢ for i; any other character unchanged.
#[must_use]
pub const fn subscript_letter(c: char) -> char {
    match c {
        'i' => 'ᵢ',
        'j' => 'ⱼ',
        'k' => 'ₖ',
        'n' => 'ₙ',
        _ => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subscripts_are_digits_with_or_without_commas() {
        assert_eq!(subscript(&[1, 2], false), "₁₂");
        assert_eq!(subscript(&[1, 10, 3], true), "₁,₁₀,₃");
        assert_eq!(subscript(&[12], true), "₁₂");
        assert_eq!(subscript(&[], true), "");
        let mut layers = String::new();
        push_superscript_layer(&mut layers, 2);
        push_superscript_layer(&mut layers, 10);
        assert_eq!(layers, "⁽²⁾⁽¹⁰⁾");
    }

    #[test]
    fn equations_remain_readable_in_ascii() {
        assert_eq!(ascii_text("∂C/∂w₁₂ = Σᵢⱼ aᵢ,ⱼ₊₁ · δᵢⱼ"), "dC/dw12 = Sij ai,j+1 * eij");
        assert_eq!(ascii_text("δ⁽¹⁾ = W⁽²⁾ᵀ δ⁽²⁾ ∘ g′(z⁽¹⁾)"), "e(1) = W(2)T e(2) o g'(z(1))");
        assert_eq!(ascii_text("0·−0.12 …"), "0*-0.12 ~");
        assert_eq!(ascii_text("2·3 + ∙"), "2*3 + _");
        assert_eq!(ascii_text("1·2 ● ⠁⣿ 3×4 ‹1› ← √(v + ε) δ"), "1*2 o .: 3x4 /1\\ < v(v + E) e");
        assert_eq!(spelled_out("½ of |x| ≤ √2 …"), "1/2 of |x| <= sqrt 2 ...");
        assert_eq!(
            spelled_out("∂v/∂a = b aᵇ⁻¹, α eᶻ, −r³ / 2, e^(−z²/2) / √(2π)"),
            "dv/da = b a^(b-1), a e^z, -r^3 / 2, e^(-z^2/2) / sqrt(2pi)"
        );
        assert_eq!(spelled_out("Wᵀ δ⁽¹⁰⁾"), "W^T e(10)");
        assert_eq!(ascii_text("漢 a\u{301}\nb"), "?? a\nb");
    }

    #[test]
    fn a_typed_hyphen_becomes_a_minus_only_in_a_formula() {
        for (typed, shown) in [
            ("(0.751 - 0.01) times a(1 - a)", "(0.751 − 0.01) times a(1 − a)"),
            ("2 · -3, (-1)·-2, -4", "2 · −3, (−1)·−2, −4"),
            // the hyphen of `a - b` stays, because it may be a dash between words
            ("1e-5 of (a - b) - c", "1e−5 of (a - b) − c"),
            ("a 2-2-1 network, row-major, 2020-01-02", "a 2-2-1 network, row-major, 2020-01-02"),
            ("a word - and another; cross- and self-", "a word - and another; cross- and self-"),
        ] {
            assert_eq!(with_minus_signs(typed), shown);
        }
    }

    #[test]
    fn every_character_becomes_one_ascii_character() {
        for c in (0..=0x0003_ffff_u32).filter_map(char::from_u32) {
            assert!((' '..='~').contains(&ascii(c)), "{c:?}");
        }
        assert!((' '..='~').all(|c| ascii(c) == c));
    }
}

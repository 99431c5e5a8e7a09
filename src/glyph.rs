//! Characters of mathematical notation: subscripts, layer superscripts, and the ASCII or LaTeX form of each character.

/// The replacement for a character without an ASCII counterpart.
pub const UNKNOWN: char = '?';

/// The sign for a number that is not computed yet. It looks like the `·` of a product but is another character, since in ASCII it is `_`, a blank to fill in.
pub const TO_COME: &str = "∙";

/// The separator between two facts in a line. It is not a dot, which would be a product sign in ASCII.
pub const BETWEEN: &str = " │ ";

/// Returns the ASCII character for `c`; [`UNKNOWN`] if there is none.
///
/// Each character becomes one character, so that a screen keeps its layout. `∂` and `δ` remain distinct: `∂C/∂w` becomes `dC/dw`, and `δ`, the error, becomes
/// `e`; `ε` becomes `E`. Within an equation only a product sign becomes `*`; a number that is not computed yet is `_`, a neuron is `o`, and edges consist of `.` and `:`.
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
        '±' => '+',
        '÷' => '/',
        '≈' => '~',
        '≠' => '!',
        '≤' | '⟨' | '«' => '<',
        '≥' | '⟩' | '»' => '>',
        // Brackets of a matrix entry, which must differ from arrows.
        '‹' => '(',
        '›' => ')',
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
        '↻' | '⟳' | '⟲' => '@',
        // Bullets.
        '•' | '◆' | '■' | '★' => '*',
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
        // Blocks: the fuller, the darker.
        '░' => ':',
        '▒' => '%',
        '█' | '▓' | '▉' | '▊' | '▋' | '▇' | '▆' => '#',
        '▀' | '▔' => '"',
        '▄' | '▅' | '▃' => '=',
        '▂' | '▁' => '_',
        '▌' | '▍' | '▎' | '▏' | '▐' | '▕' => '|',
        // Braille, which draws edges: by the number of its eight dots.
        '\u{2800}' => ' ',
        '\u{2801}'..='\u{28ff}' if (c as u32 - 0x2800).count_ones() < 4 => '.',
        '\u{2801}'..='\u{28ff}' => ':',
        _ => UNKNOWN,
    }
}

/// Appends the digits of a number, from a table of subscripts or superscripts.
fn digits(out: &mut String, n: usize, table: [char; 10]) {
    for d in n.to_string().bytes() {
        out.push(table[usize::from(d - b'0')]);
    }
}

const LOWERED: [char; 10] = ['₀', '₁', '₂', '₃', '₄', '₅', '₆', '₇', '₈', '₉'];
const RAISED: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

/// Returns the subscripts of an entry: `₁₂` for `[1, 2]`. If one of several numbers has two digits, commas separate them: `₁₀,₂`.
#[must_use]
pub fn subscript(numbers: &[usize]) -> String {
    let part = numbers.len() > 1 && numbers.iter().any(|&n| n > 9);
    let mut out = String::new();
    for (i, &n) in numbers.iter().enumerate() {
        if part && i > 0 {
            out.push(',');
        }
        digits(&mut out, n, LOWERED);
    }
    out
}

/// Returns the layer superscript of a symbol: `⁽²⁾` for 2.
#[must_use]
pub fn superscript_layer(layer: usize) -> String {
    let mut out = String::from('⁽');
    digits(&mut out, layer, RAISED);
    out.push('⁾');
    out
}

/// Returns a text in ASCII, each character by [`ascii`]. Combining marks are dropped; a character two cells wide becomes two characters.
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

/// Returns a text in ASCII whose length may change: as [`ascii_text`], but `½` becomes `1/2`, `≤` becomes `<=`, `…` becomes `...`, and an exponent such as
/// `e⁻ᶻ` becomes `e^(-z)`.
#[must_use]
pub fn spelled(text: &str) -> String {
    let longer = |c: char| {
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
        let layer = rest.strip_prefix('⁽').and_then(|after| after.find('⁾')).map(|end| '⁽'.len_utf8() + end + '⁾'.len_utf8());
        if let Some(end) = layer {
            out.push_str(&ascii_text(&rest[..end]));
            rest = &rest[end..];
            continue;
        }
        let exponent = rest.find(|c| !is_exponent(c)).unwrap_or(rest.len());
        if exponent > 0 {
            let ascii = ascii_text(&rest[..exponent]);
            let [open, close] = if ascii.len() == 1 { ["^", ""] } else { ["^(", ")"] };
            out.extend([open, &ascii, close]);
            rest = &rest[exponent..];
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match longer(c) {
            Some(longer) if c == '√' && rest.starts_with('(') => out.push_str(longer.trim_end()),
            Some(longer) => out.push_str(longer),
            None => out.push_str(&ascii_text(c.encode_utf8(&mut [0; 4]))),
        }
    }
    out
}

/// Returns whether a character is part of an exponent: a raised digit, sign or letter. The bracket of a layer, as in `a⁽¹⁾`, is not.
fn is_exponent(c: char) -> bool {
    RAISED.contains(&c) || "⁺⁻ⁱʲᵏˡⁿᵐᵒᵖʳˢᵗᵘᵛᵃᵇᶜᵈᵉʰʷˣᶻ".contains(c)
}

/// Returns a text for LaTeX's math mode: Greek letters and signs become commands, subscripts become groups, other characters are unchanged.
#[must_use]
pub fn latex(text: &str) -> String {
    let mut latex = String::with_capacity(text.len());
    let (mut after_command, mut lowered) = (false, false);
    for c in text.chars() {
        let digit = LOWERED.iter().position(|other| *other == c).map(|digit| digit.to_string());
        let digit = digit.or_else(|| (lowered && c == ',').then(|| ",".to_owned()));
        if digit.is_some() != lowered {
            latex.push_str(if lowered { "}" } else { "_{" });
            lowered = !lowered;
        }
        if let Some(digit) = digit {
            latex.push_str(&digit);
            continue;
        }
        let command = match c {
            '½' => r"\tfrac{1}{2}",
            'δ' => r"\delta",
            'ε' => r"\varepsilon",
            'η' => r"\eta",
            'α' => r"\alpha",
            'β' => r"\beta",
            'λ' => r"\lambda",
            'μ' => r"\mu",
            'σ' => r"\sigma",
            'φ' => r"\varphi",
            'Φ' => r"\Phi",
            'Σ' => r"\Sigma",
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
            latex.extend((after_command && c.is_ascii_alphabetic()).then_some(' '));
            latex.push(c);
        } else {
            latex.push_str(command);
        }
        after_command = command.ends_with(|c: char| c.is_ascii_alphabetic());
    }
    latex.push_str(if lowered { "}" } else { "" });
    latex
}

/// Returns the subscript of an index letter, such as ᵢ for i; other characters unchanged.
#[must_use]
pub const fn lowered(c: char) -> char {
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
    fn subscripts_read_as_in_mathematics() {
        assert_eq!(subscript(&[1, 2]), "₁₂");
        assert_eq!(subscript(&[10, 2]), "₁₀,₂");
        assert_eq!(subscript(&[1, 10, 3]), "₁,₁₀,₃");
        assert_eq!(subscript(&[12]), "₁₂");
        assert_eq!(subscript(&[]), "");
        assert_eq!(superscript_layer(2), "⁽²⁾");
        assert_eq!(superscript_layer(10), "⁽¹⁰⁾");
    }

    #[test]
    fn equations_remain_readable_in_ascii() {
        assert_eq!(ascii_text("∂C/∂w₁₂ = Σᵢⱼ aᵢ,ⱼ₊₁ · δᵢⱼ"), "dC/dw12 = Sij ai,j+1 * eij");
        assert_eq!(ascii_text("δ⁽¹⁾ = W⁽²⁾ᵀ δ⁽²⁾ ∘ g′(z⁽¹⁾)"), "e(1) = W(2)T e(2) o g'(z(1))");
        assert_eq!(ascii_text("0·−0.12 …"), "0*-0.12 ~");
        assert_eq!(ascii_text("2·3 + ∙"), "2*3 + _");
        assert_eq!(ascii_text("1·2 ● ⠁⣿ 3×4 ‹1› ← √(v + ε) δ"), "1*2 o .: 3x4 (1) < v(v + E) e");
        assert_eq!(spelled("½ of |x| ≤ √2 …"), "1/2 of |x| <= sqrt 2 ...");
        assert_eq!(
            spelled("∂v/∂a = b aᵇ⁻¹, α eᶻ, −r³ / 2, e^(−z²/2) / √(2π)"),
            "dv/da = b a^(b-1), a e^z, -r^3 / 2, e^(-z^2/2) / sqrt(2pi)"
        );
        assert_eq!(spelled("Wᵀ δ⁽¹⁰⁾"), "W^T e(10)");
        assert_eq!(ascii_text("漢 a\u{301}\nb"), "?? a\nb");
    }

    #[test]
    fn every_character_becomes_one_ascii_character() {
        for c in (0..=0x0003_ffff_u32).filter_map(char::from_u32) {
            assert!((' '..='~').contains(&ascii(c)), "{c:?}");
        }
        assert!((' '..='~').all(|c| ascii(c) == c));
    }
}

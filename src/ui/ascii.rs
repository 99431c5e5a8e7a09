//! Converts a drawn screen to ASCII, cell by cell, so that the layout stays the same.

use ratatui::buffer::Buffer;
use unicode_width::UnicodeWidthStr as _;

use crate::glyph;

/// Replaces the content of every cell by one ASCII character. A character without an ASCII form becomes `?`, or `??` if it is two cells wide.
pub fn ascii(buf: &mut Buffer) {
    // the number of further cells that the last character covers: 1 if it is two cells wide
    let mut covered = 0;
    for cell in &mut buf.content {
        if covered > 0 {
            cell.set_char(glyph::UNKNOWN);
            covered -= 1;
            continue;
        }
        let symbol = cell.symbol();
        if symbol.is_ascii() && symbol.len() == 1 {
            continue;
        }
        covered = symbol.width().saturating_sub(1);
        let c = symbol.chars().next().map_or(' ', glyph::ascii);
        cell.set_char(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    #[test]
    fn the_layout_stays_and_every_cell_is_ascii() {
        let lines = [
            "∂C/∂w₁₂ = Σᵢⱼ aᵢ,ⱼ₊₁ · δᵢⱼ  ⁽²⁾ᵀ  ∘ g′(z⁽¹⁾)  −0.12  η × ≈ … ← → ↑ ↓",
            "╭─┬─╮ │ ├┼┤ ╰─┴─╯ ═║ ░▒▓█ ▁▂▃▄▅▆▇ ▌▐ ● ○ ▸ ◂ ▶ ⋮ ⋯ ‹1› ⎡⎣ ⣿ ✓ ✗",
            "漢字 e\u{301} 🙂 \u{202e} end",
        ];
        let mut buf = Buffer::empty(Rect::new(0, 0, 80, 3));
        for (y, line) in (0..).zip(lines) {
            buf.set_string(0, y, line, Style::new().bold());
        }
        let before = buf.clone();
        ascii(&mut buf);
        assert!(buf.content.iter().all(|c| c.symbol().len() == 1 && c.symbol().is_ascii()));
        let row = |y: u16| (0..80).map(|x| buf[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        assert_eq!(row(0), "dC/dw12 = Sij ai,j+1 * eij  (2)T  o g'(z(1))  -0.12  n x ~ ~ < > ^ v");
        assert_eq!(row(1), "+-+-+ | +++ +-+-+ =| :%## __===## || o o > < > : ~ /1\\ [[ : v ?");
        assert_eq!(row(2), "???? e ??  end");
        assert!(before.content.iter().zip(&buf.content).all(|(a, b)| a.style() == b.style()));
    }
}

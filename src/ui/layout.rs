//! Where the panes lie, by the size of the screen. A new pane is a field and a line here.

use ratatui::layout::Rect;

use crate::app::Pane;
use crate::ui::equation;

/// The smallest screen that the stepper fits.
pub const SMALLEST: (u16, u16) = (60, 16);
/// From here on all panes are on the screen at once.
const ROOMY: (u16, u16) = (110, 34);
/// From here on the ops have a column of their own.
const WIDE: u16 = 160;
const OPS: u16 = 30;
/// The most lines of the words below the others, their title among them.
const WORDS: u16 = 9;

/// The panes' places; an empty one is not drawn. The first line of operands, picture, words and ops is their title.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// What is open, and where in it.
    pub header: Rect,
    /// The passes.
    pub timeline: Rect,
    /// The ops of the pass, one after the other.
    pub chain: Rect,
    /// The ops as a list.
    pub ops: Rect,
    /// The equation.
    pub equation: Rect,
    /// The matrices.
    pub operands: Rect,
    /// What is connected with what.
    pub picture: Rect,
    /// Why.
    pub words: Rect,
    /// Where, and what there is to say.
    pub status: Rect,
    /// The keys that matter now.
    pub keys: Rect,
}

/// Takes `n` lines off the top.
fn top(area: &mut Rect, n: u16) -> Rect {
    let n = n.min(area.height);
    let taken = Rect { height: n, ..*area };
    *area = Rect { y: area.y + n, height: area.height - n, ..*area };
    taken
}

/// Takes `n` lines off the bottom.
fn bottom(area: &mut Rect, n: u16) -> Rect {
    let n = n.min(area.height);
    area.height -= n;
    Rect { y: area.y + area.height, height: n, ..*area }
}

/// Takes `n` columns off the left, and one more as a gap.
fn left(area: &mut Rect, n: u16) -> Rect {
    let n = n.min(area.width);
    let taken = Rect { width: n, ..*area };
    let gap = (n + 1).min(area.width);
    *area = Rect { x: area.x + gap, width: area.width - gap, ..*area };
    taken
}

/// What the panes want of the screen.
#[derive(Clone, Copy)]
pub struct Wants<'a> {
    /// Columns of the matrices.
    pub matrices: u16,
    /// Lines of the words in so many columns.
    pub words: &'a dyn Fn(u16) -> u16,
}

/// The places on a screen of this size; `shared` is the pane that a small screen shows beside the matrices.
#[must_use]
pub fn places(screen: Rect, shared: Pane, wants: Wants<'_>) -> Places {
    let mut rest = screen;
    let roomy = screen.width >= ROOMY.0 && screen.height >= ROOMY.1;
    let mut places = Places { header: top(&mut rest, 1), timeline: top(&mut rest, 1), ..Places::default() };
    places.keys = bottom(&mut rest, 1);
    places.status = bottom(&mut rest, 1);
    if screen.height >= 30 && screen.width < WIDE {
        places.chain = top(&mut rest, 1);
    }
    if screen.height >= 22 {
        top(&mut rest, 1);
    }
    if screen.width >= WIDE && roomy {
        places.ops = left(&mut rest, OPS);
    }
    places.equation = top(&mut rest, equation::HEIGHT);
    if screen.height >= 30 {
        top(&mut rest, 1);
    }
    // the picture keeps two fifths, the matrices give what they do not need
    let (least, most) = (rest.width * 2 / 5, rest.width * 3 / 5);
    let width = wants.matrices.clamp(least, most);
    if roomy {
        let words = (wants.words)(rest.width).min(WORDS);
        places.words = bottom(&mut rest, words);
        places.operands = left(&mut rest, width);
        places.picture = rest;
        return places;
    }
    match shared {
        Pane::Operands => places.operands = rest,
        Pane::Picture => {
            places.operands = left(&mut rest, width);
            places.picture = rest;
        }
        Pane::Words => {
            // as narrow as the words need, and the matrices bear
            let fits = |width: &u16| (wants.words)(rest.width.saturating_sub(width + 1)) <= rest.height;
            let width = (least..=width).rev().find(fits).unwrap_or(least);
            places.operands = left(&mut rest, width);
            places.words = rest;
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTS: Wants<'static> = Wants { matrices: 70, words: &|columns| 1 + 300 / columns.max(1) };

    #[test]
    fn every_place_lies_on_the_screen_and_none_on_another() {
        for width in [0, 1, 20, 60, 80, 120, 160, 200, 300] {
            for height in [0, 1, 6, 16, 24, 33, 40, 60, 100] {
                for shared in [Pane::Operands, Pane::Picture, Pane::Words] {
                    let screen = Rect::new(0, 0, width, height);
                    let p = places(screen, shared, WANTS);
                    let all = [p.header, p.timeline, p.chain, p.ops, p.equation, p.operands, p.picture, p.words, p.status, p.keys];
                    for (i, a) in all.iter().enumerate() {
                        assert_eq!(a.intersection(screen).area(), a.area(), "{a:?} on {screen:?}");
                        for b in &all[i + 1..] {
                            assert_eq!(a.intersection(*b).area(), 0, "{a:?} and {b:?} on {screen:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_roomy_screen_shows_all_five_answers() {
        for (width, height) in [(120, 40), (200, 60)] {
            let p = places(Rect::new(0, 0, width, height), Pane::Picture, WANTS);
            for place in [p.header, p.equation, p.operands, p.picture, p.words, p.status, p.keys] {
                assert!(place.area() > 0);
            }
        }
    }
}

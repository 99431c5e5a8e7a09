//! Computes the area of each pane on a screen of any size. Each pane in turn is cut from an edge of the remaining area; the rest is the body.
//!
//! ```text
//! roomy:  Main │ Beside      small:  Main │ Beside or Below (Tab switches); then Main alone
//!         ─────┴───────
//!         Below
//! ```

use ratatui::layout::Rect;

/// The smallest screen that the stepper fits.
pub const SMALLEST: (u16, u16) = (60, 16);
/// The smallest screen that shows all panes at once.
const ROOMY: (u16, u16) = (110, 34);
/// The most lines of a pane below the others, including its title.
const LOWER: u16 = 9;

/// The edge at which a pane is docked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dock {
    /// The top of the remaining area; the pane requests lines.
    Top,
    /// The bottom of the remaining area; the pane requests lines.
    Bottom,
    /// The left of the remaining area, followed by a gap; the pane requests columns.
    Left,
    /// The left of the body, between two and three fifths of its width; the pane requests columns.
    Main,
    /// The rest of the body. Panes with this dock share it: one is shown at a time.
    Beside,
    /// The bottom of the body, where the pane requests lines. On a small screen it shares the area of `Beside` instead, as wide as its lines need.
    Below,
}

/// The areas of all panes on a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaneLayout {
    /// The area of each pane; empty if the pane is not shown.
    pub places: Vec<Rect>,
    /// The pane that is shown in the shared area.
    pub front: usize,
    /// The pane that Tab shows there next; equal to `front` if no panes share the area.
    pub next: usize,
}

/// Returns whether a screen shows all panes at once.
#[must_use]
pub fn is_roomy(screen: Rect) -> bool {
    screen.width >= ROOMY.0 && screen.height >= ROOMY.1
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

/// Takes `n` columns off the left, and one more as a gap; nothing if `n` is 0.
fn left(area: &mut Rect, n: u16) -> Rect {
    let n = n.min(area.width);
    let taken = Rect { width: n, ..*area };
    let gap = if n == 0 { 0 } else { (n + 1).min(area.width) };
    *area = Rect { x: area.x + gap, width: area.width - gap, ..*area };
    taken
}

/// Returns the layout of panes with these docks. `choose(n)` returns which of the n panes that share an area is in front, from 0. `wants(pane, columns)`
/// returns the lines or columns that a pane requests when it is that wide.
#[must_use]
pub fn layout(docks: &[Dock], screen: Rect, choose: &dyn Fn(usize) -> usize, wants: &dyn Fn(usize, u16) -> u16) -> PaneLayout {
    let mut rest = screen;
    let mut places = vec![Rect::default(); docks.len()];
    for (n, dock) in docks.iter().enumerate() {
        places[n] = match dock {
            Dock::Top => top(&mut rest, wants(n, screen.width)),
            Dock::Bottom => bottom(&mut rest, wants(n, screen.width)),
            Dock::Left => left(&mut rest, wants(n, screen.width)),
            Dock::Main | Dock::Beside | Dock::Below => continue,
        };
    }
    let at = |wanted: Dock| docks.iter().enumerate().filter(move |(_, dock)| **dock == wanted).map(|(n, _)| n);
    let mut cycle: Vec<usize> = at(Dock::Beside).collect();
    if is_roomy(screen) {
        for n in at(Dock::Below) {
            let lines = wants(n, rest.width).min(LOWER);
            places[n] = bottom(&mut rest, lines);
        }
    } else {
        cycle.extend(at(Dock::Below).chain(at(Dock::Main)));
    }
    let chosen = choose(cycle.len());
    let (front, next) = (cycle[chosen], cycle[(chosen + 1) % cycle.len()]);
    for main in at(Dock::Main).filter(|main| *main != front) {
        let (least, most) = (rest.width * 2 / 5, rest.width * 3 / 5);
        let width = wants(main, rest.width).clamp(least, most);
        // the main pane is narrowed until the lines of the front one fit
        let fits = |width: &u16| wants(front, rest.width.saturating_sub(width + 1)) <= rest.height;
        let width = (least..=width).rev().find(fits).unwrap_or(least);
        places[main] = left(&mut rest, width);
    }
    places[front] = rest;
    PaneLayout { places, front, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::panes::PANES;

    fn laid(screen: Rect, turned: usize) -> PaneLayout {
        let docks: Vec<Dock> = PANES.iter().map(|pane| pane.dock).collect();
        let wants = |n: usize, columns: u16| match docks[n] {
            Dock::Top | Dock::Bottom => 1,
            Dock::Left => 20,
            Dock::Main => 70,
            Dock::Beside => 0,
            Dock::Below => 1 + 300 / columns.max(1),
        };
        layout(&docks, screen, &|count| turned % count, &wants)
    }

    #[test]
    fn areas_lie_on_the_screen_and_do_not_overlap() {
        for width in [0, 1, 20, 60, 80, 120, 160, 200, 300] {
            for height in [0, 1, 6, 16, 24, 33, 40, 60, 100] {
                for turned in 0..=4 {
                    let screen = Rect::new(0, 0, width, height);
                    let all = laid(screen, turned).places;
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
    fn a_roomy_screen_shows_all_panes_after_any_number_of_tabs() {
        for (width, height) in [(120, 40), (200, 60)] {
            for turned in 0..4 {
                let all = laid(Rect::new(0, 0, width, height), turned);
                assert!(all.places.iter().all(|place| place.area() > 0), "{all:?}");
                assert_eq!(all.front, all.next);
            }
        }
    }

    #[test]
    fn on_a_small_screen_tab_shows_each_pane_of_the_body_and_the_main_one_last() {
        let screen = Rect::new(0, 0, 80, 24);
        let body: Vec<usize> = (0..PANES.len()).filter(|n| matches!(PANES[*n].dock, Dock::Main | Dock::Beside | Dock::Below)).collect();
        let mut seen: Vec<usize> = (0..body.len()).map(|turned| laid(screen, turned).front).collect();
        for turned in 0..body.len() {
            assert_eq!(laid(screen, turned).next, seen[(turned + 1) % body.len()]);
        }
        assert_eq!(seen.last().map(|last| PANES[*last].dock), Some(Dock::Main));
        seen.sort_unstable();
        assert_eq!(seen, body);
    }
}

//! Computes the area of each pane on a screen of any size. The panes at the edges come first: one after the other takes the top, the bottom or the left of the
//! area that is still free. The area that remains is the *body*. The other panes share it, as their [`Dock`]s say:
//!
//! ```text
//! roomy:  Main  │ Beside        small:  Main │ Beside,  after Tab  Main │ Below,  after Tab  Main alone
//!         Under │ UnderBeside
//!         ──────┴───────
//!         Below
//! ```

use ratatui::layout::Rect;

/// The width and height of the smallest screen on which the stepper can be shown.
pub const SMALLEST: (u16, u16) = (60, 16);
/// The width and height of the smallest *roomy* screen, which shows all panes at once.
const ROOMY: (u16, u16) = (110, 34);
/// The number of blank columns between a pane with the dock `Left` and its neighbours.
const LEFT_GAP: u16 = 3;
/// The number of blank columns between the panes `Main` and `Beside`.
const MAIN_GAP: u16 = 1;
/// The largest height of a pane with the dock `Below`, including its title.
const MAX_BELOW: u16 = 9;

/// The place of a pane on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dock {
    /// The top of the free area. The pane requests a number of lines.
    Top,
    /// The bottom of the free area. The pane requests a number of lines.
    Bottom,
    /// The left of the free area, with a gap after it. The pane requests a number of columns.
    Left,
    /// The left of the body. Its width is 2/5, 1/2, 3/5 or 7/10 of the body: the smallest that has the columns which the pane requests, or 3/5 if it requests
    /// more than 7/10. It is smaller if the pane beside it would otherwise be too narrow for its lines. There are only these widths, so that the pane seldom
    /// changes its width from op to op.
    Main,
    /// The bottom of the pane `Main`. The pane requests a number of lines.
    Under,
    /// The rest of the body. Panes with this dock share it: one is shown at a time.
    Beside,
    /// The bottom of the area that the panes `Beside` share. The pane requests a number of lines.
    UnderBeside,
    /// The bottom of the body. The pane requests a number of lines. On a small screen, it shares the area of `Beside` instead.
    Below,
}

/// The areas of all panes on a screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaneLayout {
    /// The area of each pane; empty if the pane is not shown.
    pub areas: Vec<Rect>,
    /// The index of the pane that is shown in the shared area.
    pub front: usize,
    /// The index of the pane that Tab shows next in the shared area; equal to `front` if no panes share the area.
    pub next: usize,
}

/// Returns whether a screen shows all panes at once.
#[must_use]
pub fn is_roomy(screen: Rect) -> bool {
    screen.width >= ROOMY.0 && screen.height >= ROOMY.1
}

/// Cuts `n` lines from the top of the area, and returns them.
fn cut_top(area: &mut Rect, n: u16) -> Rect {
    let n = n.min(area.height);
    let taken = Rect { height: n, ..*area };
    *area = Rect { y: area.y + n, height: area.height - n, ..*area };
    taken
}

/// Cuts `n` lines from the bottom of the area, and returns them.
fn cut_bottom(area: &mut Rect, n: u16) -> Rect {
    let n = n.min(area.height);
    area.height -= n;
    Rect { y: area.y + area.height, height: n, ..*area }
}

/// Cuts `n` columns from the left of the area, and returns them. If `n` is not 0, also removes `gap` columns after them.
fn cut_left(area: &mut Rect, n: u16, gap: u16) -> Rect {
    let n = n.min(area.width);
    let taken = Rect { width: n, ..*area };
    let removed = if n == 0 { 0 } else { n.saturating_add(gap).min(area.width) };
    *area = Rect { x: area.x + removed, width: area.width - removed, ..*area };
    taken
}

/// Returns the layout of panes with these docks.
///
/// If several panes share an area, only one of them is shown: `choose(count)` returns its index among these `count` panes. `wants(pane, room)` returns the
/// number of lines or columns that a pane requests in the area `room`.
#[must_use]
pub fn layout(docks: &[Dock], screen: Rect, choose: &dyn Fn(usize) -> usize, wants: &dyn Fn(usize, Rect) -> u16) -> PaneLayout {
    let mut free = screen;
    let mut areas = vec![Rect::default(); docks.len()];
    for (n, dock) in docks.iter().enumerate() {
        areas[n] = match dock {
            Dock::Top => cut_top(&mut free, wants(n, screen)),
            Dock::Bottom => cut_bottom(&mut free, wants(n, screen)),
            Dock::Left => cut_left(&mut free, wants(n, screen), LEFT_GAP),
            Dock::Main | Dock::Under | Dock::Beside | Dock::UnderBeside | Dock::Below => continue,
        };
    }
    let panes_at = |wanted: Dock| docks.iter().enumerate().filter(move |(_, dock)| **dock == wanted).map(|(n, _)| n);
    // the panes through which Tab goes
    let mut cycle: Vec<usize> = panes_at(Dock::Beside).collect();
    if is_roomy(screen) {
        for n in panes_at(Dock::Below) {
            let lines = wants(n, free).min(MAX_BELOW);
            areas[n] = cut_bottom(&mut free, lines);
        }
    } else {
        cycle.extend(panes_at(Dock::Below).chain(panes_at(Dock::Main)));
    }
    let chosen = choose(cycle.len());
    let (front, next) = (cycle[chosen], cycle[(chosen + 1) % cycle.len()]);
    // a main pane in front gets the whole body
    for main in panes_at(Dock::Main).filter(|main| *main != front) {
        let choices = [free.width * 2 / 5, free.width / 2, free.width * 3 / 5, free.width * 7 / 10];
        let wanted = wants(main, free);
        // the index of the smallest choice that is wide enough; if none is, that of 3/5, the last but one
        let widest = choices.iter().position(|width| *width >= wanted).unwrap_or(choices.len() - 2);
        // the main pane becomes narrower, until the lines of the pane in front fit
        let leaves_enough =
            |width: &&u16| wants(front, Rect { width: free.width.saturating_sub(*width + MAIN_GAP), ..free }) <= free.height;
        let width = choices[..=widest].iter().rev().find(leaves_enough).copied().unwrap_or(choices[0]);
        areas[main] = cut_left(&mut free, width, MAIN_GAP);
        for n in panes_at(Dock::Under) {
            let lines = wants(n, areas[main]);
            areas[n] = cut_bottom(&mut areas[main], lines);
        }
    }
    for n in panes_at(Dock::UnderBeside) {
        let lines = wants(n, free);
        areas[n] = cut_bottom(&mut free, lines);
    }
    areas[front] = free;
    PaneLayout { areas, front, next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::panes::PANES;

    /// Returns the layout of the stepper's panes after Tab was pressed `tabs` times.
    fn layout_after(screen: Rect, tabs: usize) -> PaneLayout {
        let docks: Vec<Dock> = PANES.iter().map(|pane| pane.dock).collect();
        let wants = |n: usize, room: Rect| match docks[n] {
            Dock::Top | Dock::Bottom => 1,
            Dock::Left => 20,
            Dock::Main => 70,
            Dock::Beside => 0,
            Dock::Under | Dock::UnderBeside => u16::from(is_roomy(screen)) * 4,
            // a title, and a text of about 300 cells that is wrapped
            Dock::Below => 1 + 300 / room.width.max(1),
        };
        layout(&docks, screen, &|count| tabs % count, &wants)
    }

    #[test]
    fn areas_are_on_the_screen_and_do_not_overlap() {
        for width in [0, 1, 20, 60, 80, 120, 160, 200, 300] {
            for height in [0, 1, 6, 16, 24, 33, 40, 60, 100] {
                for tabs in 0..=4 {
                    let screen = Rect::new(0, 0, width, height);
                    let all = layout_after(screen, tabs).areas;
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
            for tabs in 0..4 {
                let all = layout_after(Rect::new(0, 0, width, height), tabs);
                assert!(all.areas.iter().all(|area| area.area() > 0), "{all:?}");
                assert_eq!(all.front, all.next);
            }
        }
    }

    #[test]
    fn on_a_small_screen_tab_shows_each_pane_of_the_body_and_the_main_one_last() {
        let screen = Rect::new(0, 0, 80, 24);
        let body: Vec<usize> = (0..PANES.len()).filter(|n| matches!(PANES[*n].dock, Dock::Main | Dock::Beside | Dock::Below)).collect();
        let mut seen: Vec<usize> = (0..body.len()).map(|tabs| layout_after(screen, tabs).front).collect();
        for tabs in 0..body.len() {
            assert_eq!(layout_after(screen, tabs).next, seen[(tabs + 1) % body.len()]);
        }
        assert_eq!(seen.last().map(|last| PANES[*last].dock), Some(Dock::Main));
        seen.sort_unstable();
        assert_eq!(seen, body);
    }
}

//! The overlay with the map of the network: a row for each block, with lines for the data flow on its left.
//!
//! ```text
//!   ■      input  input              2×6×6   forward  given
//! ◉ ├→▣    c1     conv2d             4×3×3   forward  ━━━━━━━━┄┄┄┄  312/548
//!   │ │      weight 4×2×3×3                  backward ┄┄┄┄┄┄┄┄┄┄┄┄    0/1680
//! ```
//!
//! All blocks have the same number of lines. It is the largest number with which all blocks fit. If there is none, the selected block is in the middle, and
//! only some blocks are visible. The cost depends only on the visible blocks.

mod lanes;

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block as Frame, BorderType, Clear, Widget};

use self::lanes::MapLanes;
use super::super::timeline::filled_cells;
use crate::app::NetworkMap;
use crate::glyph::{self, SEPARATOR};
use crate::network::{Id, Role};
use crate::scene::{Block, Blocks, Scene};
use crate::step::Pass;
use crate::tensor::shape_on_screen;
use crate::text::{align_left, align_right, cut, width};
use crate::ui::ClickTarget;
use crate::ui::hints::Hints;
use crate::ui::line::DrawLine as _;
use crate::ui::theme::{StyleRole, Theme};
use crate::ui::view::StepView;

/// The mark of the block with the step on the screen.
const HERE: &str = "◉";
/// The mark of the selected block, as in lists.
const SELECTED: &str = "▸";
/// The smallest and the largest number of lines of a block.
const LINES: (u16, u16) = (2, 5);
/// If blocks have at least this number of lines, they have a frame.
const MIN_FRAMED_LINES: u16 = 4;
/// The largest width of a block, in cells.
const MAX_WIDTH: u16 = 150;
/// The largest width of a block's name.
const MAX_NAME: usize = 18;
/// The largest width of a block's kind, such as `conv2d`.
const MAX_KIND: usize = 20;
/// The largest number of blocks that are named after `reads` in the second line of a block: `reads c1, c2, …`.
const MAX_NAMED: usize = 12;
/// The width of the label before a bar: `backward` and a blank.
const LABEL_WIDTH: usize = 9;
/// The smallest and the largest width of a bar.
const BAR: [usize; 2] = [4, 48];
/// The number of lines of the card of the batch.
const BATCH_CARD: u16 = 3;
/// The largest width of the bar of a pass of the batch.
const BATCH_BAR: usize = 10;
/// The width of the column at the left edge, for the mark of the current block.
const MARGIN: u16 = 2;

/// The area of the map and of its rows on a screen.
struct MapLayout {
    /// The map with its border.
    area: Rect,
    /// The blocks.
    inner: Rect,
    /// The card or the line with the progress of the steps of the batch; empty without such steps.
    batch: Rect,
    /// The number of lines of a block.
    lines: u16,
    /// The number of the first block in view.
    first: usize,
    /// The number of blocks in view.
    count: usize,
}

/// Lays out the map on a screen. If the batch has steps, their progress is in a card below the blocks, or in the last line below a blank line.
fn map_layout(view: &StepView<'_>, map: &NetworkMap, screen: Rect) -> MapLayout {
    // the status line and the key bar stay in view
    let area = Rect { height: screen.height.saturating_sub(2), ..screen };
    let inner = Rect { x: area.x + 2, y: area.y + 1, width: area.width.saturating_sub(4), height: area.height.saturating_sub(2) };
    // a blank line, and the line of the batch
    let batch_lines = if batch_passes(view).next().is_some() && inner.height > 2 * LINES.0 { 2 } else { 0 };
    let inner = Rect { height: inner.height.saturating_sub(batch_lines), ..inner }.intersection(area);
    let (rows, blocks) = (usize::from(inner.height), map.blocks.len());
    // a block of 5 lines ends with a blank line, which the last visible block does not need, so there is room for one more line
    let lines = (LINES.0..=LINES.1).rev().find(|lines| usize::from(*lines) * blocks <= rows + usize::from(*lines == LINES.1));
    let lines = lines.unwrap_or(LINES.0);
    let count = ((rows + usize::from(lines == LINES.1)) / usize::from(lines)).min(blocks);
    let first = map.selected.saturating_sub(count / 2).min(blocks - count);
    let end = inner.bottom().min(inner.y + u16::try_from(count).unwrap_or(u16::MAX).saturating_mul(lines));
    // if the blocks have frames and there is room, the progress of the batch is in a card below them; otherwise it is in the last line
    let has_card = batch_lines > 0 && lines >= MIN_FRAMED_LINES && end + BATCH_CARD <= inner.bottom() + batch_lines;
    // `batch_lines` is 2 or 0, so this line has the height 1 or 0
    let (y, height) = if has_card { (end, BATCH_CARD) } else { (inner.bottom() + 1, batch_lines / 2) };
    MapLayout { area, inner, batch: Rect { y, height, ..inner }, lines, first, count }
}

impl MapLayout {
    /// Returns the rows of the n-th block in view, from 0.
    fn rows(&self, n: usize) -> Rect {
        let y = self.inner.y + u16::try_from(n).unwrap_or(u16::MAX).saturating_mul(self.lines);
        Rect { y, height: self.lines, ..self.inner }.intersection(self.inner)
    }
}

/// Returns the block or the key under a cell of the screen.
pub(super) fn hit(view: &StepView<'_>, map: &NetworkMap, screen: Rect, x: u16, y: u16) -> Option<ClickTarget> {
    let layout = map_layout(view, map, screen);
    if let Some(key) = hints(layout.area).key_in_border(layout.area, x, y) {
        return Some(ClickTarget::Key(key));
    }
    let place = (0..layout.count).find(|place| layout.rows(*place).contains((x, y).into()))?;
    Some(ClickTarget::Row(layout.first + place))
}

/// Returns the hints in the lower border: the marks and the keys, as far as there is room.
fn hints(area: Rect) -> Hints {
    let room = usize::from(area.width.saturating_sub(6));
    let legends = [
        (format!(" {HERE} here  {SELECTED} chosen │ ■ done  ▣ begun  □ not yet │ "), "Enter: go there, "),
        (format!(" {HERE} here  {SELECTED} chosen │ ■ done  ▣ begun  □ not yet │ "), "Enter: go, "),
        (" ".to_owned(), "Enter: go, "),
    ];
    let all = legends.map(|(marks, enter)| {
        let hints = Hints::default().text(StyleRole::Dim, marks).key(StyleRole::Dim, "<Enter>", enter);
        hints.key(StyleRole::Dim, "<Esc>", "Esc: close ")
    });
    let [.., shortest] = all.clone();
    all.into_iter().find(|hints| hints.width() <= room).unwrap_or_else(|| shortest.in_border(area))
}

/// Draws the map.
pub(super) fn render(view: &StepView<'_>, map: &NetworkMap, screen: Rect, buf: &mut Buffer) {
    let layout = map_layout(view, map, screen);
    if layout.area.height < 4 || layout.area.width < 24 {
        return;
    }
    Clear.render(layout.area, buf);
    draw_frame(view, map, &layout, buf);
    // at a step of the batch, the blocks show the last sample at its last step
    let end_of_last_sample = view.last_of_samples();
    let scene = end_of_last_sample.as_ref().unwrap_or(&view.scene);
    // at a step of the batch, the line of the batch is marked
    let here = view.block(&map.blocks);
    let is_in_block = !is_of_batch(view.step.pass);
    let shown = layout.first..layout.first + layout.count;
    let pen = BlockPen { view, scene, blocks: &map.blocks, columns: BlockColumns::of(view, scene, map, &layout) };
    pen.draw_batch(layout.batch, buf);
    for (place, number) in shown.enumerate() {
        pen.draw(number, [is_in_block && number == here, number == map.selected], layout.rows(place), buf);
    }
}

/// Returns whether the steps of a pass belong to the batch, not to a sample.
fn is_of_batch(pass: Pass) -> bool {
    matches!(pass, Pass::Reduce | Pass::Update)
}

/// Returns the passes of the batch (reduce and update) with their steps.
fn batch_passes<'a>(view: &'a StepView<'_>) -> impl Iterator<Item = (Pass, Range<u64>)> + 'a {
    view.passes().filter(|(pass, _)| is_of_batch(*pass))
}

/// Returns the iteration and the sample that the blocks show, if there are several. At a step of the batch, this is the last sample.
fn facts(view: &StepView<'_>) -> Vec<String> {
    let (iterations, samples) = (view.document.iterations(), view.document.scenario.samples.len());
    let iteration = (iterations > 1).then(|| format!("iteration {}/{iterations}", view.step.iteration));
    let shown = view.sample().or_else(|| view.samples().last()).filter(|_| samples > 1);
    iteration.into_iter().chain(shown.map(|sample| format!("sample {}/{samples}", sample + 1))).collect()
}

/// Draws the border with its titles.
fn draw_frame(view: &StepView<'_>, map: &NetworkMap, layout: &MapLayout, buf: &mut Buffer) {
    let dim = view.theme.style(StyleRole::Dim);
    let room = usize::from(layout.area.width.saturating_sub(6));
    let title =
        format!(" map ─ {} ", std::iter::once(view.document.scenario.title.clone()).chain(facts(view)).collect::<Vec<_>>().join(SEPARATOR));
    let range = if layout.count < map.blocks.len() {
        format!(" {}–{} of {} blocks ", layout.first + 1, layout.first + layout.count, map.blocks.len())
    } else {
        String::new()
    };
    Frame::bordered()
        .border_type(BorderType::Rounded)
        .border_style(dim)
        .title(Span::styled(cut(&title, room.saturating_sub(width(&range))), view.theme.style(StyleRole::Heading)))
        .title(Line::from(Span::styled(range, dim)).right_aligned())
        .title_bottom(hints(layout.area).line(&view.theme).right_aligned())
        .render(layout.area, buf);
}

/// The widths of the columns in a block's lines, in cells.
struct BlockColumns {
    /// The cells of the lanes.
    lanes: u16,
    name: usize,
    kind: usize,
    shape: usize,
    /// The width of the progress at the right end.
    progress: usize,
    /// The width of a bar.
    bar: usize,
}

impl BlockColumns {
    /// Returns columns for the blocks in view.
    fn of(view: &StepView<'_>, scene: &Scene<'_>, map: &NetworkMap, layout: &MapLayout) -> Self {
        let shown = || (layout.first..layout.first + layout.count).filter_map(|number| map.blocks.get(number));
        let texts: Vec<_> = shown().map(|block| scene.block_texts(&block, view.notation)).collect();
        let widest = |widths: &mut dyn Iterator<Item = usize>| widths.max().unwrap_or(0);
        let name = widest(&mut texts.iter().map(|(name, _)| width(name))).min(MAX_NAME);
        let longest_kind = widest(&mut texts.iter().map(|(_, kind)| width(kind)));
        let shape = widest(&mut shown().map(|block| width(&shape(scene, block.tensor))));
        let lanes = u16::try_from(2 * map.blocks.lanes).unwrap_or(2);
        let framed = if layout.lines >= MIN_FRAMED_LINES { 4 } else { 0 };
        let card = usize::from(layout.inner.width.min(MAX_WIDTH).saturating_sub(MARGIN + lanes + 2 + framed));
        let counts = shown().flat_map(|block| scene.block_progress(&block)).map(|(_, all)| all.checked_ilog10().unwrap_or(0) as usize + 1);
        // the count has two numbers and a slash: `312/548`
        let count = 2 * counts.max().unwrap_or(1) + 1;
        // 6 cells are for the sign ▸, two blanks after the name, two after the kind, and one before the progress
        let room = |name: usize, kind: usize| card.saturating_sub(name + kind + shape + 6);
        // on a wide screen, the cells beside the longest bar are for the kinds; on a narrow one, kinds and names are cut so that the shapes stay visible
        let kind = longest_kind.min(MAX_KIND.max(room(name, LABEL_WIDTH + BAR[1] + 2 + count)));
        let kind = kind.min(room(name, LABEL_WIDTH + BAR[0]));
        let name = name.min(room(0, kind + LABEL_WIDTH + BAR[0]));
        let room = room(name, kind);
        // the progress consists of the label, the bar, two blanks and the count; if there is little room, only of the label and the smallest bar
        let bar = room.saturating_sub(LABEL_WIDTH + 2 + count).clamp(BAR[0], BAR[1]);
        let progress = (LABEL_WIDTH + bar + 2 + count).min(room.max(LABEL_WIDTH + BAR[0]));
        Self { lanes, name, kind, shape, progress, bar }
    }
}

/// Returns a shape as `6×28×28`; empty for a scalar.
fn shape(scene: &Scene<'_>, tensor: Id) -> String {
    let shape = &scene.network().tensor(tensor).shape;
    if shape.is_empty() { String::new() } else { shape_on_screen(shape) }
}

/// Draws blocks.
struct BlockPen<'a> {
    view: &'a StepView<'a>,
    /// The scene at a step of a sample, from which the progress is read.
    scene: &'a Scene<'a>,
    blocks: &'a Blocks,
    columns: BlockColumns,
}

impl BlockPen<'_> {
    fn lanes(&self) -> MapLanes<'_> {
        MapLanes { blocks: self.blocks, theme: self.theme(), is_backward: self.scene.is_backward(), left: MARGIN }
    }

    fn theme(&self) -> &Theme {
        &self.view.theme
    }

    /// Draws a block with its lanes. `is_here` is `true` for the block of the step on the screen.
    fn draw(&self, number: usize, [is_here, is_selected]: [bool; 2], rows: Rect, buf: &mut Buffer) {
        let Some(block) = self.blocks.get(number) else { return };
        let is_framed = rows.height >= MIN_FRAMED_LINES;
        let top = u16::from(is_framed);
        let progress = self.scene.block_progress(&block);
        self.lanes().draw(number, progress, rows, top, buf);
        if is_here {
            buf.set_string(rows.x, rows.y + top, HERE, self.theme().style(StyleRole::Result).not_underlined());
        }
        let left = MARGIN + self.columns.lanes;
        let card = Rect { x: rows.x + left, width: rows.width.min(MAX_WIDTH).saturating_sub(left), ..rows };
        let card = if is_framed { self.draw_card(card, is_selected, buf) } else { card };
        let mut lines = card.rows();
        let (name, kind) = self.scene.block_texts(&block, self.view.notation);
        let style = match (is_selected, is_here) {
            (true, _) => self.theme().style(StyleRole::Step),
            (_, true) => self.theme().style(StyleRole::Result),
            _ => self.theme().style(StyleRole::Heading),
        };
        let BlockColumns { name: name_width, kind: kind_width, shape: shape_width, .. } = self.columns;
        let dim = self.theme().style(StyleRole::Dim);
        if let Some(line) = lines.next() {
            let name = cut(&name, name_width);
            let gap = " ".repeat(name_width - width(&name) + 2);
            let spans = vec![
                Span::styled(if is_selected { SELECTED } else { " " }, style),
                Span::styled(name, style),
                Span::raw(gap),
                Span::raw(align_left(&cut(&kind, kind_width), kind_width)),
                Span::raw("  "),
                Span::raw(align_right(&shape(self.scene, block.tensor), shape_width)),
            ];
            Line::from(spans).draw(line, buf);
            self.draw_progress(&block, 0, progress[0], line, buf);
        }
        if let Some(line) = lines.next() {
            // a block without a backward pass, such as the loss, has no progress in its second line, so the details can use the whole line. Without samples,
            // a derivative can be there instead
            let is_free = progress[1].1 == 0 && self.scene.network().reads_samples();
            let room = usize::from(line.width).saturating_sub(if is_free { 2 } else { self.columns.progress + 3 });
            Line::from(vec![Span::raw("  "), Span::styled(cut(&self.details(number, &block), room), dim)]).draw(line, buf);
            self.draw_progress(&block, 1, progress[1], line, buf);
        }
    }

    /// Draws the progress of the passes of the batch in a card or in a line.
    fn draw_batch(&self, rows: Rect, buf: &mut Buffer) {
        let (dim, style) = (self.theme().style(StyleRole::Dim), self.theme().style(StyleRole::Forward));
        // the middle of a card, or the only line
        let top = rows.height / 2;
        if is_of_batch(self.view.step.pass) {
            buf.set_string(rows.x, rows.y + top, HERE, self.theme().style(StyleRole::Result).not_underlined());
        }
        let left = MARGIN + if rows.height == BATCH_CARD { self.columns.lanes } else { 0 };
        let card = Rect { x: rows.x + left, width: rows.width.min(MAX_WIDTH).saturating_sub(left), ..rows };
        let line = if rows.height == BATCH_CARD { self.draw_card(card, false, buf) } else { card };
        let passes: Vec<_> = batch_passes(self.view)
            .map(|(pass, steps)| {
                let all = steps.end - steps.start;
                let done = (self.view.at.step + 1).saturating_sub(steps.start).min(all);
                (format!("   {} ", pass.name()), done, all)
            })
            .collect();
        // a blank in the cell in which a selected block has its mark
        let title = " batch";
        let texts: usize = passes.iter().map(|(name, done, all)| width(name) + format!(" {done}/{all}").len()).sum();
        let bar = (usize::from(line.width).saturating_sub(width(title) + texts) / passes.len().max(1)).min(BATCH_BAR);
        let mut spans = vec![Span::styled(title, self.theme().style(StyleRole::Heading))];
        for (name, done, all) in passes {
            let filled = filled_cells(done, all, bar);
            spans.push(Span::styled(name, style));
            spans.push(Span::styled("━".repeat(filled), style.bold()));
            spans.push(Span::styled(format!("{} {done}/{all}", "┄".repeat(bar - filled)), dim));
        }
        Line::from(spans).draw(line, buf);
    }

    /// Draws the frame of a block. Returns the area inside.
    fn draw_card(&self, card: Rect, is_selected: bool, buf: &mut Buffer) -> Rect {
        let card = Rect { height: card.height.min(MIN_FRAMED_LINES), ..card };
        let role = if is_selected { StyleRole::Result } else { StyleRole::Dim };
        let border = if is_selected { BorderType::Thick } else { BorderType::Rounded };
        let frame = Frame::bordered().border_type(border).border_style(self.theme().style(role).not_underlined());
        frame.render(card, buf);
        Rect { x: card.x + 1, y: card.y + 1, width: card.width.saturating_sub(3), height: card.height.saturating_sub(2) }.intersection(card)
    }

    /// Returns the details of a block: the shapes of a layer's parameters, the equation of the loss, the number of operations of a closed fold, and the blocks
    /// that it reads unless it reads only the block above.
    fn details(&self, number: usize, block: &Block<'_>) -> String {
        let network = self.scene.network();
        let parameter = |id: Id| {
            let info = network.tensor(id);
            // the name without the layer, because the block already shows the layer
            let name = if block.layer.is_some() { info.suffix } else { &info.name };
            format!("{name} {}", shape(self.scene, id))
        };
        let mut texts: Vec<String> = self.scene.block_parameters(block).map(parameter).collect();
        if network.tensor(block.tensor).role == Role::Loss && network.reads_samples() {
            texts.extend(self.scene.block_equation(block, self.view.notation).map(|equation| format!("C = {equation}")));
        }
        let operations = self.scene.block_operations(block);
        if operations > 1 && block.layer.is_none() {
            texts.push(format!("{operations} operations"));
        }
        if !block.reads().all(|read| read + 1 == number) {
            let name = |read: usize| self.blocks.get(read).map(|block| self.scene.block_texts(&block, self.view.notation).0);
            let more = if block.reads().len() > MAX_NAMED { ", …" } else { "" };
            let names: Vec<String> = block.reads().take(MAX_NAMED).filter_map(name).collect();
            texts.push(format!("reads {}{more}", names.join(", ")));
        }
        texts.join("  ")
    }

    /// Draws the progress of the forward pass (`pass` is 0) or of the backward pass (1) at the right end of a line, as a bar and a count. If the block is a
    /// node with a single number, draws the number or the derivative instead.
    fn draw_progress(&self, block: &Block<'_>, pass: usize, (done, all): (u64, u64), line: Rect, buf: &mut Buffer) {
        let theme = self.theme();
        let wide = u16::try_from(self.columns.progress).unwrap_or(u16::MAX).min(line.width);
        let area = Rect { x: line.right() - wide, width: wide, ..line };
        let style = theme.style([StyleRole::Forward, StyleRole::Backward][pass]);
        let dim = theme.style(StyleRole::Dim);
        let network = self.scene.network();
        let is_number = !network.reads_samples() && network.tensor(block.tensor).shape.is_empty();
        let is_loss = network.tensor(block.tensor).role == Role::Loss;
        let label = if is_number { ["value", "∂"][pass] } else { [if is_loss { "loss" } else { "forward" }, "backward"][pass] };
        if is_number {
            let tensor = if pass == 0 { Some(block.tensor) } else { network.gradient_of(block.tensor) };
            let value = tensor.map_or_else(String::new, |id| {
                self.scene.number(id, 0).map_or_else(|| glyph::TO_COME.to_owned(), |number| self.scene.short(number))
            });
            let label = if value.is_empty() { "" } else { label };
            Line::from(vec![Span::styled(align_left(label, 6), style), Span::styled(value, style.bold())]).draw(area, buf);
            return;
        }
        if all == 0 {
            return;
        }
        let filled = filled_cells(done, all, self.columns.bar);
        let bar = ["━".repeat(filled), "┄".repeat(self.columns.bar - filled)];
        let room = usize::from(wide).saturating_sub(LABEL_WIDTH + self.columns.bar + 2);
        let count = format!("{done}/{all}");
        let count = if width(&count) <= room { align_right(&count, room) } else { String::new() };
        let [full, empty] = bar;
        Line::from(vec![
            Span::styled(align_left(label, LABEL_WIDTH), style),
            Span::styled(full, style.bold()),
            Span::styled(empty, dim),
            Span::styled(format!("  {count}"), dim),
        ])
        .render(area, buf);
    }
}

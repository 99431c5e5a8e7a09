//! Lists, texts, the map, the curve and the picker in words.

use crate::app::{Curves, Focus, List, ListRow, NetworkMap, Overlay, OverlayKind, Screen, State};
use crate::glyph::spoken;
use crate::keys;
use crate::network::Id;
use crate::number::{Digits, short};
use crate::tensor::shape_text;
use crate::text::{counted, line};
use crate::ui::overlay::text_lines;
use crate::ui::view::StepView;

/// The width to which texts of overlays are wrapped.
const WIDTH: usize = 100;
/// The largest number of points of a curve that are read out.
const MAX_POINTS: usize = 12;

/// Returns the lines of the open overlay. For a list, use [`list`] instead.
pub(super) fn open(view: &StepView<'_>) -> Vec<String> {
    let Some(overlay) = &view.state.overlay else { return Vec::new() };
    match overlay {
        Overlay { map: Some(open), .. } => map(view, open),
        Overlay { kind: OverlayKind::Curve, .. } => view.state.curves().map(|curves| curve(&curves)).unwrap_or_default(),
        Overlay { kind: OverlayKind::Help, .. } => keys_in_words(),
        _ => {
            text_lines(view.state, overlay.kind, WIDTH).iter().map(|text| spoken(text.trim_end())).filter(|text| !text.is_empty()).collect()
        }
    }
}

/// Returns the rows of a list, with their numbers.
pub(super) fn list(list: &List) -> Vec<String> {
    let mut lines = vec![spoken(list.title.trim())];
    lines.extend(list.rows.iter().enumerate().map(|(number, one)| row(number, one)));
    if !list.note.is_empty() {
        lines.push(spoken(&list.note));
    }
    let can_choose = list.rows.iter().any(|row| row.action.is_some());
    lines.push(if can_choose { "A number chooses its row, <Esc> leaves the list." } else { "<Esc> leaves the list." }.to_owned());
    lines
}

/// Returns the keys of the step and of the cursor with their descriptions.
pub(super) fn keys_in_words() -> Vec<String> {
    let words = |row: &keys::KeyBinding| {
        let keys: Vec<_> = row.keys.iter().map(|key| keys::shown(key)).collect();
        format!("{}: {}", keys.join(" or "), row.description)
    };
    let of = |focus: Focus, title: &str| std::iter::once(title.to_owned()).chain(keys::rows(focus).map(words)).collect::<Vec<_>>();
    [of(Focus::Normal, "The keys:"), of(Focus::Cursor, "The keys of the cursor:")].concat()
}

/// Returns a row of a list with its number. `number` counts from 0, the text from 1.
pub(super) fn row(number: usize, row: &ListRow) -> String {
    let cells: Vec<String> = row.cells.iter().map(|cell| spoken(cell.trim())).filter(|cell| !cell.is_empty()).collect();
    let key = row.key.map_or_else(String::new, |key| format!("{key}, "));
    format!("{}: {key}{}", number + 1, cells.join(", "))
}

/// Returns the blocks of the map: name, kind, shape, parameters and progress.
fn map(view: &StepView<'_>, map: &NetworkMap) -> Vec<String> {
    let end_of_last_sample = view.last_of_samples();
    let scene = end_of_last_sample.as_ref().unwrap_or(&view.scene);
    let here = view.block(&map.blocks);
    let mut lines = vec!["the map of the network".to_owned()];
    let shape = |id: Id| shape_text(&scene.network().tensor(id).shape).replace('x', " by ");
    for number in 0..map.blocks.len() {
        let Some(block) = map.blocks.get(number) else { continue };
        let (name, kind) = scene.block_texts(&block, view.notation);
        let mut facts = vec![line(&name), spoken(&line(&kind)), shape(block.tensor)];
        facts.extend(scene.block_parameters(&block).map(|id| {
            let info = scene.network().tensor(id);
            let name = if block.layer.is_some() { info.suffix } else { &info.name };
            format!("{} {}", line(name), shape(id))
        }));
        for (pass, (done, all)) in ["forward", "backward"].into_iter().zip(scene.block_progress(&block)) {
            facts.extend((all > 0).then(|| format!("{pass} {done} of {}", counted(all, "step"))));
        }
        facts.retain(|fact| !fact.is_empty());
        let mark = if number == here { ", here" } else { "" };
        lines.push(format!("{}: {}{mark}", number + 1, facts.join(", ")));
    }
    lines.push("A number goes to its block, <Esc> leaves the map.".to_owned());
    lines
}

/// Returns some points of the curve at equal distances, including the first and the last one. Of each other curve, returns the first and the last value.
fn curve(curves: &Curves) -> Vec<String> {
    let Curves { name, current, known, here, .. } = curves;
    let points = &current.points;
    let mut lines = vec![format!("{} over the iterations: {}, here is iteration {here}", line(name), counted(points.len(), "point"))];
    let last = points.len().saturating_sub(1);
    let mut picked: Vec<usize> = (0..MAX_POINTS).map(|n| n * last / (MAX_POINTS - 1)).collect();
    picked.dedup();
    for (iteration, value) in picked.into_iter().filter_map(|at| points.get(at)) {
        let ahead = if iteration > known { ", computed ahead" } else { "" };
        lines.push(format!("iteration {iteration}: {}{ahead}", short(*value).replace('−', "-")));
    }
    for other in &curves.others {
        if let (Some((_, first)), Some((iteration, value))) = (other.points.first(), other.points.last()) {
            let word = if other.other_scenario.is_some() { "compared" } else { "before" };
            let what = spoken(&other.label(Digits::default()));
            lines.push(format!("{word}, {what}: from {} to {} in iteration {iteration}", short(*first), short(*value)).replace('−', "-"));
        }
    }
    lines.push("<Esc> leaves the curve.".to_owned());
    lines
}

/// Returns the rows of the picker.
pub(super) fn picker(state: &State) -> Vec<String> {
    let Screen::Picker(picker) = &state.screen else { return Vec::new() };
    let listed = picker.listed_indices(&state.scenarios);
    let title = if picker.filter.is_none() { "the scenarios:" } else { "the scenarios with these words; Esc lists all:" };
    let mut lines = vec![title.to_owned()];
    let rows = listed.iter().map(|&index| &state.scenarios[index]).zip(1..);
    lines.extend(rows.map(|(scenario, number)| format!("{number}: {}: {}", line(&scenario.name), line(&scenario.title))));
    lines.push("A number opens its scenario.".to_owned());
    lines
}

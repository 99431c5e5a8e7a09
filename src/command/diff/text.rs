//! The text of `gradstep diff` for people.
//!
//! The output answers three questions in this order: which gradients are wrong, where the first wrong number is, and why. The answers to the first two are
//! printed before the search for mistakes, which takes longer. The table of all gradients is at the end.

use crate::app::{Document, GradientComparison, Group, group_names, groups};
use crate::command::options::GlobalOptions;
use crate::diff::{Comparison, NOT_FINITE, Pattern, SourceTexts, Status};
use crate::mistakes::Explanation;
use crate::number::{exact, with_digits};
use crate::output;
use crate::tensor::{index_text, unravel};
use crate::text::{align_left, are, counted, line, list_of_names, width};
use crate::trace::Trace;

/// Prints which gradients are wrong and where the first wrong number is, with the notes on names and layouts. Prints nothing if the scale of the samples'
/// gradients is unknown, because the search for mistakes decides it later.
pub(super) fn print_comparison(comparison: &GradientComparison, document: &Document, global: &GlobalOptions) -> anyhow::Result<()> {
    if comparison.is_settled {
        print(&with_source_texts(&comparison_lines(comparison, document), &mut SourceTexts::new(document.trace.network())), global)
    } else {
        Ok(())
    }
}

/// Prints why the first gradient is wrong, the patterns, and the table of all gradients.
pub(super) fn print_causes(comparison: &GradientComparison, document: &Document, global: &GlobalOptions) -> anyhow::Result<()> {
    let trace = &document.trace;
    // each source text is printed once. So the heading is made here even if `print_comparison` has printed it: `texts` records the source texts in it
    let mut texts = SourceTexts::new(trace.network());
    let heading = with_source_texts(&comparison_lines(comparison, document), &mut texts);
    let mut lines = Vec::new();
    if !comparison.report.is_equal() {
        lines.extend(cause_lines(comparison, trace));
        lines.extend(pattern_lines(comparison, trace, false));
        lines.extend(stepper_line(comparison, trace));
    }
    lines = with_source_texts(&lines, &mut texts);
    if !comparison.is_settled {
        lines = [heading, lines].concat();
    }
    lines.push(String::new());
    lines.extend(tensor_lines(comparison, trace, &mut texts));
    print(&lines, global)
}

/// Returns the lines. If a line names a tensor that is a part of a statement, the source text of this part follows the name. Each source text
/// occurs only once.
fn with_source_texts(lines: &[String], texts: &mut SourceTexts<'_>) -> Vec<String> {
    lines.iter().map(|line| texts.explain(line)).collect()
}

fn print(lines: &[String], global: &GlobalOptions) -> anyhow::Result<()> {
    let mut to = output::stdout();
    for line in lines {
        writeln!(to, "{}", global.in_charset(line))?;
    }
    to.finish()
}

/// If more tensors than this number are equal, they are not listed one by one.
const MAX_EQUAL_LISTED: usize = 40;

/// Returns the headline, the notes and, if gradients are wrong, the lines about which are wrong and where the first wrong number is.
fn comparison_lines(comparison: &GradientComparison, document: &Document) -> Vec<String> {
    let Explanation { report, .. } = &**comparison;
    let trace = &document.trace;
    let mut lines = vec![format!("{}: {}{}", line(&document.scenario.title), comparison.headline(), not_compared(comparison))];
    lines.extend(comparison.notes().iter().map(|note| format!("note: {note}")));
    if let Some(first) = report.first_wrong() {
        let wrong_tensors = (0..report.tensors.len()).filter(|index| !report.tensors[*index].is_equal());
        let names = group_names(comparison, trace, wrong_tensors);
        let [wrong, all] = comparison.counts();
        let others_right = match all - wrong {
            0 => String::new(),
            count => format!("; {} {} right", counted(count, "other"), are(count)),
        };
        lines.push(String::new());
        lines.push(format!("which   {}{others_right}", list_of_names(&names)));
        lines.push(format!("where   seen first at {}", first_words(comparison, trace, first)));
        lines.extend(shape_line(comparison, trace));
    }
    lines
}

/// The end of the headline, if the gradients of some parameters are not compared.
fn not_compared(comparison: &GradientComparison) -> String {
    match comparison.user.missing.len() {
        0 => String::new(),
        1 => "; 1 other is not compared".to_owned(),
        count => format!("; {count} others are not compared"),
    }
}

/// The line that names the tensors of another shape.
fn shape_line(comparison: &GradientComparison, trace: &Trace) -> Option<String> {
    let of_shape = (0..comparison.report.tensors.len()).filter(|index| comparison.report.tensors[*index].status == Status::Shape);
    let names = group_names(comparison, trace, of_shape);
    match names.as_slice() {
        [] => None,
        [name] => Some(format!("shape   {name} has another shape, so its entries are not compared")),
        _ => Some(format!("shape   {} have other shapes, so their entries are not compared", list_of_names(&names))),
    }
}

/// The line that says how to see the numbers in the stepper; `None` in later iterations, because the stepper compares the first one.
fn stepper_line(comparison: &GradientComparison, trace: &Trace) -> Option<String> {
    let first = comparison.report.first_wrong().filter(|_| comparison.iteration() == 1)?;
    let compared = &comparison.report.tensors[first];
    let address = compared.gradient.address(trace, compared.wrong.first().copied());
    let address = address.map_or_else(String::new, |address| format!(" (the first wrong number is at :{})", line(&address.to_string())));
    Some(format!("see     gradstep SCENARIO --mine MINE, and press D{address}"))
}

/// The lines of the tensors: status, name and details, such as the difference.
fn tensor_lines(comparison: &GradientComparison, trace: &Trace, texts: &mut SourceTexts<'_>) -> Vec<String> {
    let Explanation { user, report, .. } = &**comparison;
    let equal = report.tensors.iter().filter(|tensor| tensor.is_equal()).count();
    let is_listed = |index: &usize| equal <= MAX_EQUAL_LISTED || !report.tensors[*index].is_equal();
    let key = |index: usize| (report.tensors[index].status, user.tensors[index].values.as_ref().err(), comparison.is_rounded(index));
    let groups = groups(comparison, (0..report.tensors.len()).filter(is_listed), key);
    let mut rows: Vec<[String; 3]> = groups.iter().map(|group| row(comparison, trace, group, texts)).collect();
    if equal > MAX_EQUAL_LISTED {
        rows.push(["equal".to_owned(), format!("{equal} others"), String::new()]);
    }
    let missing = |gradient: &crate::diff::Gradient| {
        ["missing".to_owned(), line(&gradient.name(trace)), "not in the file, so not compared".to_owned()]
    };
    rows.extend(user.missing.iter().map(missing));
    let column_width = |n: usize| rows.iter().map(|row| width(&row[n])).max().unwrap_or(0);
    let [status_width, name_width] = [column_width(0), column_width(1)];
    rows.iter()
        .map(|[status, name, details]| {
            format!("  {}  {}  {details}", align_left(status, status_width), align_left(name, name_width)).trim_end().to_owned()
        })
        .collect()
}

/// The row of a group of tensors with the same status.
fn row(comparison: &GradientComparison, trace: &Trace, group: &Group, texts: &mut SourceTexts<'_>) -> [String; 3] {
    let (user, compared) = (&comparison.user.tensors[group.tensors[0]], &comparison.report.tensors[group.tensors[0]]);
    let all_entries = counted(group.comparisons(comparison).map(|(_, compared)| compared.entries).sum::<usize>(), "entry");
    let (status, details) = match (compared.status, &user.values) {
        (Status::Equal, _) => ("equal", all_entries),
        (Status::Shape, Err(why)) => ("shape", why.clone()),
        (Status::NotFinite, Ok(values)) => {
            let not_finite = |(index, compared): (usize, &Comparison)| {
                let values = comparison.user.tensors[index].values.as_deref().unwrap_or_default();
                compared.wrong.iter().filter(|at| !values[**at].is_finite()).count()
            };
            let count: usize = group.comparisons(comparison).map(not_finite).sum();
            let at = compared.wrong.iter().find(|at| !values[**at].is_finite()).copied().unwrap_or(0);
            let index = entry_name(comparison, trace, group, group.tensors[0], at);
            ("not finite", format!("{count} of {all_entries}, first{index}: yours {}", exact(values[at])))
        }
        _ if comparison.is_rounded(group.tensors[0]) => ("rounded", difference(comparison, trace, group, &all_entries)),
        _ => ("different", difference(comparison, trace, group, &all_entries)),
    };
    let name = group.name(comparison, trace);
    // the source text is at the end of the row, where it does not move a column
    let explained = texts.explain(&name);
    [status.to_owned(), name.clone(), format!("{details}{}", explained.strip_prefix(&name).unwrap_or_default())]
}

/// Returns the name of an entry after a blank: ` [0,1]`, or ` 2:conv1.z[0,1]` in a group of several tensors. For a single number, returns an empty text.
fn entry_name(comparison: &GradientComparison, trace: &Trace, group: &Group, tensor: usize, at: usize) -> String {
    let shape = comparison.user.tensors[tensor].gradient.shape(trace);
    let name = if group.tensors.len() > 1 { comparison.name(trace, tensor) } else { String::new() };
    let index = if shape.is_empty() { String::new() } else { index_text(&unravel(at, shape)) };
    if name.is_empty() && index.is_empty() { String::new() } else { format!(" {name}{index}") }
}

/// Describes how much tensors differ: `36 of 36 entries; largest difference 1.2, at [2,0,1,1]: yours 0.1, right -1.1 (off by 109 %)`.
fn difference(comparison: &GradientComparison, trace: &Trace, group: &Group, all_entries: &str) -> String {
    let all = || group.comparisons(comparison);
    let wrong: usize = all().map(|(_, compared)| compared.wrong.len()).sum();
    let worsts = all().filter_map(|(index, compared)| Some((index, compared.worst?)));
    let difference = |worst: &crate::diff::Worst| (worst.mine - worst.right).abs();
    let worst = worsts.reduce(|worst, other| if difference(&other.1) > difference(&worst.1) { other } else { worst });
    let Some((index, worst)) = worst else { return format!("{wrong} of {all_entries}") };
    let name = entry_name(comparison, trace, group, index, worst.at);
    let at = if name.is_empty() { String::new() } else { format!(", at{name}") };
    let what = if wrong == 1 { "difference" } else { "largest difference" };
    let off_by_share = if worst.right == 0.0 { String::new() } else { format!(" ({})", off_by(worst.mine, worst.right)) };
    let others = if wrong > 0 && others_are_zero(comparison, trace, group) { " (the rest is 0)" } else { "" };
    format!(
        "{wrong} of {all_entries}{others}; {what} {}{at}: {}{off_by_share}",
        ascii(difference(&worst)),
        comparison.both_numbers(index, worst.mine, worst.right).replace('−', "-")
    )
}

/// Returns whether some entries are right, and the right number of all these entries is 0.
fn others_are_zero(comparison: &GradientComparison, trace: &Trace, group: &Group) -> bool {
    let mut others = 0;
    let all_zero = group.comparisons(comparison).all(|(_, compared)| {
        let right = compared.gradient.right(trace);
        let mut equal = right.iter().enumerate().filter(|(at, _)| compared.wrong.binary_search(at).is_err());
        others += right.len() - compared.wrong.len();
        equal.all(|(_, right)| *right == 0.0)
    });
    others > 0 && all_zero
}

/// A number with three digits, and with the `-` of [`exact`] instead of the `−` of [`with_digits`].
fn ascii(value: f64) -> String {
    with_digits(value, 3).replace('−', "-")
}

/// A difference as a share of the right number: `off by 12.3 %`, below 1 % with three digits. From 1000 % on, the ratio of both numbers: `yours is 34.0 times
/// the right one`.
fn off_by(mine: f64, right: f64) -> String {
    let share = (mine - right).abs() / right.abs();
    let percent = share * 100.0;
    let decimals = |value: f64| usize::from(value.abs() < 100.0);
    match percent {
        _ if share >= 10.0 => {
            let ratio = mine / right;
            format!("yours is {ratio:.*} times the right one", decimals(ratio))
        }
        1.0.. => format!("off by {percent:.*} %", decimals(percent)),
        _ => format!("off by {} %", ascii(percent)),
    }
}

/// The first wrong entry, with both numbers. If the user's tensor has another shape, its name and the reason.
fn first_words(comparison: &GradientComparison, trace: &Trace, first: usize) -> String {
    let (user, compared) = (&comparison.user.tensors[first], &comparison.report.tensors[first]);
    let gradient = compared.gradient;
    let what = comparison.name(trace, first);
    match (&user.values, compared.wrong.first().copied()) {
        (Ok(values), Some(at)) => {
            let shape = gradient.shape(trace);
            let index = if shape.is_empty() { String::new() } else { index_text(&unravel(at, shape)) };
            format!("{what}{index}: {}", comparison.both_numbers(first, values[at], gradient.right(trace)[at]).replace('−', "-"))
        }
        (Err(why), _) => format!("{what}: {why}"),
        _ => what,
    }
}

/// The beginning of a line that continues the line before it.
const MARGIN: &str = "        ";

/// The words before the wrong rule.
const YOURS: &str = "yours: ";

/// Returns the lines about the mistakes. There is a line for each mistake of the best explanation, for a few alternatives, and for the tensors that are not
/// explained.
fn cause_lines(comparison: &GradientComparison, trace: &Trace) -> Vec<String> {
    let mut lines = pattern_lines(comparison, trace, true);
    // the first tensor with wrong numbers, if no mistake explains it
    let unexplained_first = comparison.unexplained.first().copied().filter(|first| comparison.is_first_with_wrong_numbers(*first));
    let not_finite = comparison.patterns.iter().find(|pattern| pattern.id == NOT_FINITE);
    if let Some(first) = unexplained_first {
        lines.push(match not_finite.filter(|pattern| pattern.tensor == first) {
            Some(pattern) => format!("why     {}", line(&pattern.words)),
            None => {
                format!(
                    "why     no mistake that gradstep knows gives exactly the numbers of {}, the first wrong gradient",
                    comparison.name(trace, first)
                )
            }
        });
    }
    for cause in comparison.shown_causes() {
        let head = match (lines.len(), cause.group) {
            (0, _) => "why   ",
            (_, 1) => "  and ",
            _ => "  or  ",
        };
        let names = group_names(comparison, trace, cause.explains.iter().copied());
        let together_with = if cause.needs_others && cause.group == 1 { ", together with the mistake above" } else { "" };
        let explains = if names.is_empty() {
            String::new()
        } else {
            format!(" [gives exactly your numbers of {}{together_with}]", list_of_names(&names))
        };
        let rules = cause.rules();
        lines.push(format!("{head}  {YOURS}{}{explains}", line(&rules[0])));
        lines.extend(rules[1..].iter().map(|right| format!("{MARGIN}{}", line(right))));
    }
    lines.extend(comparison.other_causes().map(|others| format!("{MARGIN}{others} as well (--format json lists all)")));
    if let Some(best) = comparison.causes.first().filter(|best| !best.told_apart_by.is_empty()) {
        lines.push(format!("apart   {}", line(&best.told_apart_by)));
    }
    if let Some(pattern) = not_finite.filter(|pattern| unexplained_first != Some(pattern.tensor)) {
        lines.push(format!("{}  {}", if lines.is_empty() { "why   " } else { "  and " }, line(&pattern.words)));
    }
    // left out: tensors with numbers that are not finite, because the line about the first such number names them, and the gradients of the same tensor as
    // `unexplained_first` in other samples
    let is_other = |tensor: &usize| {
        comparison.report.tensors[*tensor].status != Status::NotFinite
            && unexplained_first
                .is_none_or(|first| comparison.user.tensors[*tensor].gradient.of != comparison.user.tensors[first].gradient.of)
    };
    let others = group_names(comparison, trace, comparison.unexplained.iter().copied().filter(is_other));
    if !others.is_empty() {
        let either = if unexplained_first.is_some() { " either" } else { "" };
        lines.push(format!("{MARGIN}not explained{either}: {}", list_of_names(&others)));
    }
    lines.extend(comparison.consequence_words(trace).map(|words| format!("{MARGIN}{words}")));
    lines
}

/// Returns the lines about the patterns that explain the difference, or, if `explains` is `false`, about the patterns that do not. Tensors with the same
/// pattern share a line.
fn pattern_lines(comparison: &GradientComparison, trace: &Trace, explains: bool) -> Vec<String> {
    // each pattern, and the tensors that have it
    let mut same: Vec<(&Pattern, Vec<usize>)> = Vec::new();
    // `cause_lines` makes the line about numbers that are not finite
    for pattern in comparison.patterns.iter().filter(|pattern| pattern.id != NOT_FINITE && pattern.explains == explains) {
        match same.iter_mut().find(|(first, _)| first.words == pattern.words) {
            Some((_, tensors)) => tensors.push(pattern.tensor),
            None => same.push((pattern, vec![pattern.tensor])),
        }
    }
    let text = |(pattern, tensors): &(&Pattern, Vec<usize>)| {
        let head = if explains { "why    " } else { "pattern" };
        format!("{head} {}: {}", list_of_names(&group_names(comparison, trace, tensors.iter().copied())), line(&pattern.words))
    };
    same.iter().map(text).collect()
}

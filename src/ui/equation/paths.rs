//! The derivative of a graph's output by a node, as a sum over all paths from the node to the output. A path is written as the product of its local
//! derivatives.
//!
//! ```text
//! J←v←u←a: 2·1·3 + J←w←a: 2·(−1) = 4        the names of all nodes and all factors
//! via v←u: 2·1·3 + via w: 2·(−1) = 4        only the nodes in which the paths differ
//! along the paths: 2·1·3 + 2·(−1) = 4       only the factors
//! without factors of 1: 2·3 + 2·(−1) = 4
//! ```
//!
//! The longest form that fits is used. If none of these fits, each path is only a number, or only the sum is written. A line may break before a path.

use crate::number::{ColumnFormat, result_sign};
use crate::scene::{Path, after_sign};
use crate::text::width;
use crate::ui::view::StepView;

/// The largest number of lines.
pub(super) const LINES: usize = 2;

/// Returns the sum over the paths as at most `height` lines of at most `room` cells. There are no lines if there are no paths.
pub(super) fn lines(view: &StepView<'_>, paths: &[Path], room: usize, height: usize) -> Vec<String> {
    if paths.is_empty() {
        return Vec::new();
    }
    let result = view.value_text(view.step.sum);
    // the end of each form, such as `= 4`: the sign after these terms, and their sum
    let total = |terms: &[String]| {
        let terms: Vec<&str> = terms.iter().map(String::as_str).collect();
        format!("{} {result}", result_sign(&terms, &result, view.step.sum))
    };
    let name = |id: &usize| view.network().tensor(*id).name.to_string();
    let names = |nodes: &[usize], arrow: &str| nodes.iter().map(name).collect::<Vec<_>>().join(arrow);
    let forms: Vec<Vec<String>> = if let [path] = paths {
        let total = total(&[product(view, path, "·")]);
        let (nodes, product) = (names(&path.nodes, " ← "), product(view, path, " · "));
        vec![vec![format!("along the path {nodes}:"), product.clone(), total.clone()], vec!["along the path:".to_owned(), product, total]]
    } else {
        // `intro`, the text of each path, and `total`
        let sum = |intro: &str, total: &str, text: &dyn Fn(&Path) -> String| {
            let path =
                |(n, path): (usize, &Path)| if n == 0 { format!("{intro}{}", text(path)) } else { format!("+ {}", after_sign(text(path))) };
            paths.iter().enumerate().map(path).chain([total.to_owned()]).collect::<Vec<_>>()
        };
        let is_common = |node: &usize| paths.iter().all(|path| path.nodes.contains(node));
        let via = |path: &Path| {
            let differing: Vec<usize> = path.nodes.iter().filter(|node| !is_common(node)).copied().collect();
            if differing.is_empty() { "direct".to_owned() } else { format!("via {}", names(&differing, "←")) }
        };
        let products = total(&paths.iter().map(|path| product(view, path, "·")).collect::<Vec<_>>());
        let values = total(&paths.iter().map(|path| view.short(path.product)).collect::<Vec<_>>());
        vec![
            sum("", &products, &|path| format!("{}: {}", names(&path.nodes, "←"), product(view, path, "·"))),
            sum("", &products, &|path| format!("{}: {}", via(path), product(view, path, "·"))),
            sum("along the paths: ", &products, &|path| product(view, path, "·")),
            sum("without factors of 1: ", &products, &|path| product(view, &without_ones(path), "·")),
            sum("along the paths: ", &values, &|path| view.short(path.product)),
            vec![format!("sum over {} paths", paths.len()), format!("= {result}")],
        ]
    };
    forms.iter().find_map(|pieces| wrapped(pieces, room, height)).unwrap_or_default()
}

/// Returns the local derivatives of a path as a product, with the sign `dot` between them.
fn product(view: &StepView<'_>, path: &Path, dot: &str) -> String {
    // numbers have the same format as in the picture
    let factor = |local: &f64| ColumnFormat::with(view.digits, [*local]).text_or_short(*local);
    let factors = path.locals.iter().map(factor);
    if path.locals.len() == 1 { factors.collect() } else { factors.map(after_sign).collect::<Vec<_>>().join(dot) }
}

/// Returns a path without the local derivatives that are 1. If all of them are 1, one stays.
fn without_ones(path: &Path) -> Path {
    let mut locals: Vec<f64> = path.locals.iter().copied().filter(|local| *local != 1.0).collect();
    if locals.is_empty() {
        locals.push(1.0);
    }
    Path { locals, ..path.clone() }
}

/// Joins texts with blanks to lines of at most `room` cells. Returns `None` if they do not fit into `height` lines.
fn wrapped(pieces: &[String], room: usize, height: usize) -> Option<Vec<String>> {
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(piece) <= room => *line = format!("{line} {piece}"),
            _ if width(piece) <= room => lines.push(piece.clone()),
            _ => return None,
        }
    }
    (lines.len() <= height).then_some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_breaks_before_a_path() {
        let pieces = ["via u: 2·3", "+ via v: 4·5", "= 26"].map(str::to_owned);
        assert_eq!(wrapped(&pieces, 40, 2), Some(vec!["via u: 2·3 + via v: 4·5 = 26".to_owned()]));
        assert_eq!(wrapped(&pieces, 23, 2), Some(vec!["via u: 2·3 + via v: 4·5".to_owned(), "= 26".to_owned()]));
        assert_eq!(wrapped(&pieces, 20, 2), Some(vec!["via u: 2·3".to_owned(), "+ via v: 4·5 = 26".to_owned()]));
        assert_eq!(wrapped(&pieces, 13, 2), None);
        assert_eq!(wrapped(&pieces, 23, 1), None);
    }
}

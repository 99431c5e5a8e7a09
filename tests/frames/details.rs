//! Details of frames that confused readers: a rounded sum without a sign for rounding, constants without values, superfluous facts, and different titles for
//! the same matrix.

use gradstep::app::State;
use gradstep::number::result_sign;
use gradstep::ui::theme::Theme;
use gradstep::ui::{RenderOptions, export};

use super::{SIZES, bundled_documents, frame, open, open_at};

fn text(state: &State, (width, height): (u16, u16)) -> String {
    export::text(&frame(state, &RenderOptions::default(), width, height))
}

/// The line of the running sum, without blanks and the count of terms.
fn sum_line(text: &str) -> Option<&str> {
    let line = text.lines().find(|line| ["so far =", "all ="].iter().any(|begin| line.contains(begin)))?;
    let (_, sum) = line.split_once("= ")?;
    Some(sum.split("   ").next()?.trim())
}

/// In a shown sum `a + b = c`, c is the sum of the shown numbers; otherwise the sign is `≈`.
#[test]
fn a_sum_with_an_equals_sign_is_that_of_the_shown_numbers() {
    let (mut exact, mut rounded) = (0_u32, 0_u32);
    for (name, document) in bundled_documents() {
        let count = document.trace.len();
        // an odd distance, at least 1, so that about 60 steps are tested
        for step in (1..=count).step_by(usize::try_from(count / 60).expect("small") | 1) {
            let frame = text(&open_at(document, step), (120, 40));
            let Some(line) = sum_line(&frame) else { continue };
            if line.contains("rounding") {
                continue;
            }
            let sign = if line.contains(" ≈ ") { "≈" } else { "=" };
            let Some((terms, result)) = line.split_once(&format!(" {sign} ")) else { continue };
            let terms: Vec<&str> = terms.split(" + ").collect();
            let position = document.trace.position(step).expect("a step");
            assert_eq!(result_sign(&terms, result, document.trace.step(&position).sum), sign, "{name} at step {step}: {line}");
            exact += u32::from(sign == "=");
            rounded += u32::from(sign == "≈");
        }
    }
    assert!(exact > 100 && rounded > 5, "{exact} {rounded}");
}

#[test]
fn a_rounded_sum_or_product_has_its_own_sign() {
    let frame_at = |name: &str, address: &str| text(&open(name, &format!(":{address}<Enter>")), (120, 40));
    let frame = frame_at("figure-01", "grad.conv2.weight[3,1,2,2]#40");
    assert!(frame.contains("so far =  −0.0937 + (−0.0993) ≈ −0.1931 "), "{frame}");
    // 0.8 · 0.7613 is 0.60904
    let frame = frame_at("figure-17", "grad.fc1.a[1]#2");
    assert!(frame.contains(" =  0.8·0.7613  + [0.2·(−0.7613)]") && frame.contains(" ≈  0.6091      + [(−0.1523)"), "{frame}");
    let frame = frame_at("figure-19", "grad.conv1.weight[0,0,0,1]#3");
    assert!(frame.contains("so far =  2 + 9 = 11 ") && !frame.contains('≈'), "{frame}");
    // the zoom and the plain mode have the same sign
    let zoomed = text(&open("figure-17", ":grad.fc1.a[1]#1<Enter>Z"), (70, 19));
    assert!(zoomed.contains("0.8·0.7613 ≈ 0.6091"), "{zoomed}");
}

#[test]
fn iteration_and_sample_are_named_only_where_there_are_several() {
    for (name, document) in bundled_documents() {
        for size in SIZES {
            let frame = text(&open_at(document, 1), size);
            let header = frame.lines().next().unwrap_or_default().replacen(&document.scenario.title, "", 1);
            assert_eq!(header.contains("iteration"), document.iterations() > 1, "{header}");
            assert_eq!(header.contains("sample"), document.scenario.samples.len() > 1, "{name}: {header}");
        }
    }
}

/// η, μ, λ and n have their values beside the equation that names them.
#[test]
fn a_named_constant_has_its_value() {
    for (address, constant) in [
        ("3/velocity.fc1.weight[0,0]", "∂C/∂W⁽¹⁾ + μ v of W⁽¹⁾,  μ = 0.9 "),
        ("3/velocity.fc1.weight[0,0]#2", ",  μ = 0.9 "),
        ("3/fc1.weight[0,0]", "W⁽¹⁾ − η v of W⁽¹⁾,  η = 0.5 "),
        ("reduce:grad.fc2.weight[0,0]#3", ",  n = 4 "),
    ] {
        let frame = text(&open("xor", &format!(":{address}<Enter>")), (120, 40));
        assert!(frame.contains(constant), "{address}: {constant}\n{frame}");
    }
    // before the first velocity there is no momentum in the equation
    let frame = text(&open("xor", ":velocity.fc1.weight[0,0]<Enter>"), (120, 40));
    assert!(!frame.contains("μ ="), "{frame}");
}

#[test]
fn the_timeline_ends_at_the_right_edge() {
    for name in bundled_documents().keys() {
        for (width, height) in SIZES {
            let frame = text(&open(name, ""), (width, height));
            let line = frame.lines().nth(1).unwrap_or_default();
            assert_eq!(line.chars().count(), usize::from(width), "{name} {width}: {line}");
        }
    }
}

/// The zoom names a part of a tensor with the same words as the matrices pane.
#[test]
fn a_part_of_a_tensor_has_the_same_name_in_the_zoom_and_in_the_panes() {
    let keys = ":grad.conv2.weight[3,1,2,2]#40<Enter>";
    for zoom in ["", "Z"] {
        let frame = text(&open("figure-01", &format!("{keys}{zoom}")), (120, 40));
        for words in ["channel 2 of 4", "channel 4 of 16", "out 4, in 2"] {
            assert!(frame.contains(words), "{words}\n{frame}");
        }
        assert!(!frame.contains("matrix "), "{frame}");
    }
}

/// If many lines cross, the lines of other entries are drawn with about half of their dots.
#[test]
fn the_lines_of_the_entry_are_denser_than_the_others() {
    let theme = Theme::default();
    let buf = frame(&open("figure-19", ":grad.conv1.weight[0,0,0,1]#3<Enter>"), &RenderOptions::default(), 120, 40);
    // the average number of dots in a cell of the lines of a weight; `is_own`: of the weight to which the entry belongs
    let dots = |weight: usize, is_own: bool| {
        let style = if is_own { theme.shared(weight) } else { theme.shared_faint(weight) };
        let is_line = |symbol: &str| symbol.chars().all(|c| ('\u{2801}'..='\u{28ff}').contains(&c));
        let cells = buf.content().iter().filter(|cell| is_line(cell.symbol()) && Some(cell.fg) == style.fg);
        let counts: Vec<u32> = cells.flat_map(|cell| cell.symbol().chars().map(|c| (u32::from(c) - 0x2800).count_ones())).collect();
        f64::from(counts.iter().sum::<u32>()) / f64::from(u32::try_from(counts.len()).expect("few"))
    };
    // the entry belongs to weight 1
    let own = dots(1, true);
    for other in [0, 2, 3] {
        assert!(dots(other, false) < 0.85 * own, "{other}: {} {own}", dots(other, false));
    }
    // if few lines cross, all are solid
    let picture = text(&open("figure-17", ":grad.fc1.a[1]#2<Enter>"), (120, 40));
    assert!(picture.contains("⠒⠒"), "{picture}");
}

#[test]
fn the_legend_explains_rounding_and_lines() {
    let help = text(&open("figure-19", "?G"), (120, 90));
    for words in ["a 0 at the end: the number is rounded", "between two numbers: times", "dotted lines", "give another last digit"] {
        assert!(help.contains(words), "{words}\n{help}");
    }
}

/// The counts of both columns have the same words.
#[test]
fn the_number_of_drawn_neurons_is_followed_by_the_word_shown() {
    for (size, has_word) in [((120, 40), true), ((60, 16), false)] {
        let frame = text(&open("figure-01", ":conv1.z[0,13,8]#4<Enter>"), size);
        assert!(frame.contains(" of 1024") && frame.contains("1 of 3136"), "{frame}");
        assert_eq!(frame.matches(" shown").count(), if has_word { 2 } else { 0 }, "{frame}");
    }
}

/// An operand that a broadcast repeats has both shapes in its title, in the panes and in the zoom.
#[test]
fn a_broadcast_operand_has_both_shapes() {
    for zoom in ["", "Z"] {
        let frame = text(&open("batch-norm-lines", &format!(":diff[1,0]<Enter>{zoom}")), (120, 40));
        assert!(frame.contains("1×2 as 4×2"), "{frame}");
    }
}

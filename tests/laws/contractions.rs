//! Contractions (products that sum over labels, as in `einsum`) equal a plain loop over all values of the labels. Each value of the labels is an *edge*: the
//! positions of the entries of input, weight and output that it joins.

use gradstep::op::constant_weights::{ConstantWeights, Weights};
use gradstep::op::contraction::{Contraction, Label, Subscripts};
use gradstep::op::edges::{Bilinear, Edges, View, Weighted};
use gradstep::op::nest::Edge;
use gradstep::op::rule::Equation;
use gradstep::tensor::{len, ravel};
use proptest::prelude::*;

use super::config;
use crate::kernels::{check_views, numbers, same};

/// Einsums of two operands, the weight first.
const OF_TWO: &[&str] = &[
    "oi,i->o",
    "ij,jk->ik",
    "bij,bjk->bik",
    "bhqd,bhkd->bhqk",
    "i,j->ij",
    "i,i->",
    "i,i->i",
    "i,i->ki",
    ",i->i",
    "g,gi->gi",
    "c,ca->ca",
    "ab,ba->",
    "abc,dca->bd",
    "ijk,k->ji",
    "ba,ca->cb",
    "ab,cd->",
];

/// Einsums of one operand.
const OF_ONE: &[&str] = &["ca->c", "c->ca", "i->ki", "->i", "i->", "ij->j", "ij->ji", "ijk->", "ijk->j", "abc->cab", "i->i", "->"];

/// An einsum with the size of each label.
struct Einsum {
    /// Labels of input, weight and output.
    ends: [Vec<char>; 3],
    /// All labels: the output's axes, then the others as they appear.
    order: Vec<char>,
    sizes: Vec<(char, usize)>,
    contraction: Contraction,
}

impl Einsum {
    /// Parses an einsum. Its labels have the sizes in `draw`, but the largest ones are halved until there are at most 4000 edges.
    fn new(text: &str, draw: &[usize]) -> Self {
        let (operands, output) = text.split_once("->").expect("an arrow");
        let (weight, input) = operands.split_once(',').unwrap_or(("", operands));
        let ends = [input, weight, output].map(|labels| labels.chars().collect::<Vec<char>>());
        let mut order: Vec<char> = Vec::new();
        for label in output.chars().chain(weight.chars()).chain(input.chars()) {
            if !order.contains(&label) {
                order.push(label);
            }
        }
        let mut sizes: Vec<(char, usize)> = order.iter().copied().zip(draw.iter().copied()).collect();
        while sizes.iter().map(|(_, size)| size).product::<usize>() > 4_000 {
            let largest = sizes.iter_mut().max_by_key(|(_, size)| *size).expect("a label");
            largest.1 /= 2;
        }
        let contraction = Contraction::einsum(text, &sizes);
        Self { ends, order, sizes, contraction }
    }

    fn size(&self, label: char) -> usize {
        self.sizes.iter().find(|(known, _)| *known == label).expect("a label of the einsum").1
    }

    /// Returns the shape of the input (`end` 0), the weight (1) or the output (2).
    fn shape(&self, end: usize) -> Vec<usize> {
        self.ends[end].iter().map(|label| self.size(*label)).collect()
    }

    /// All edges, in the order of the labels' values.
    fn edges(&self) -> Vec<Edge> {
        let mut values: Vec<Vec<usize>> = vec![Vec::new()];
        for label in &self.order {
            let next = values.iter().flat_map(|value| (0..self.size(*label)).map(move |n| [&value[..], &[n]].concat()));
            values = next.collect();
        }
        let place = |value: &[usize], end: usize| {
            let index: Vec<usize> =
                self.ends[end].iter().map(|label| value[self.order.iter().position(|known| known == label).expect("a label")]).collect();
            ravel(&index, &self.shape(end)).expect("an entry")
        };
        values.iter().map(|value| Edge { input: place(value, 0), weight: place(value, 1), output: place(value, 2) }).collect()
    }
}

/// Compares the edges of each entry, which a contraction computes by formulas, with those found by a search through all edges.
fn check_edges(einsum: &Einsum, text: &str, view: View) -> Result<(), TestCaseError> {
    let (contraction, all) = (&einsum.contraction, einsum.edges());
    let entries = len(&einsum.shape(view.computed_end()));
    let edges_of = |entry: usize| all.iter().filter(move |edge| edge.ends()[view.computed_end()] == entry).copied().collect::<Vec<Edge>>();
    prop_assert!(contraction.has_terms(view, entries).is_none());
    let mut earlier_terms = 0;
    for entry in 0..entries {
        let plain = edges_of(entry);
        let what = format!("{text} with {:?}: entry {entry} of {view:?}", einsum.sizes);
        prop_assert_eq!(contraction.prefix_terms(view, entry), earlier_terms, "{}", what);
        earlier_terms += plain.len() as u64;
        prop_assert_eq!(contraction.edges_per_entry(view), Some(plain.len() as u64), "{}", what);
        let nest: Vec<Edge> = contraction.nest(view, entry).edges(0..plain.len()).collect();
        prop_assert_eq!(&nest, &plain, "{}", what);
        for (term, edge) in (0..).zip(&plain) {
            prop_assert_eq!(contraction.edge(view, entry, term), *edge, "{}, term {}", what, term);
            prop_assert_eq!(contraction.rank(view, *edge), term, "{}", what);
        }
    }
    prop_assert_eq!(contraction.prefix_terms(view, entries), all.len() as u64);
    let mut swept: Vec<Vec<Edge>> = vec![Vec::new(); entries];
    contraction.sweep(view, entries, |first, step, count| {
        for n in 0..count {
            let edge = first.moved(step, n.cast_signed());
            swept[edge.ends()[view.computed_end()]].push(edge);
        }
    });
    for (entry, swept) in swept.iter().enumerate() {
        prop_assert_eq!(swept, &edges_of(entry), "{} with {:?}: sweep over entry {} of {:?}", text, einsum.sizes, entry, view);
    }
    Ok(())
}

/// Compares the kernels of all views with plain sums in the order of the edges. `accumulate` adds to the earlier numbers, `overwrite` replaces them.
fn check_sums(einsum: &Einsum, text: &str, seed: u64) -> Result<(), TestCaseError> {
    let tensors: Vec<Vec<f64>> = (0..3).map(|n| numbers(seed.wrapping_add(n as u64), len(&einsum.shape(n)), 6, true)).collect();
    // each view adds products of the other two ends, `a` and `b`
    for (view, [a, b]) in [(View::Output, [1, 0]), (View::Weight, [0, 2]), (View::Input, [1, 2])] {
        let computed = view.computed_end();
        let start = numbers(seed.wrapping_add(9), tensors[computed].len(), 6, false);
        let (mut accumulated, mut overwritten) = (start.clone(), vec![-0.0; start.len()]);
        for edge in einsum.edges().into_iter().map(Edge::ends) {
            let product = tensors[a][edge[a]] * tensors[b][edge[b]];
            accumulated[edge[computed]] += product;
            overwritten[edge[computed]] += product;
        }
        let (mut sums, mut replaced) = (start.clone(), start);
        einsum.contraction.accumulate(view, &tensors[a], &tensors[b], &mut sums);
        einsum.contraction.overwrite(view, &tensors[a], &tensors[b], &mut replaced);
        for (found, right) in [(&sums, &accumulated), (&replaced, &overwritten)] {
            prop_assert!(found.iter().zip(right).all(|(found, right)| same(*found, *right)), "{text} with {:?}, {view:?}", einsum.sizes);
        }
    }
    Ok(())
}

/// Sizes of labels. No einsum above has more than 8 labels.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..=4_usize, Just(9), Just(17)], 8)
}

proptest! {
    #![proptest_config(config(12, 200))]

    #[test]
    fn all_three_views_have_the_same_edges(sizes in sizes()) {
        for text in OF_TWO {
            let einsum = Einsum::new(text, &sizes);
            for view in [View::Output, View::Weight, View::Input] {
                check_edges(&einsum, text, view)?;
            }
        }
        for text in OF_ONE {
            let einsum = Einsum::new(text, &sizes);
            for view in [View::Output, View::Input] {
                check_edges(&einsum, text, view)?;
            }
        }
    }

    #[test]
    fn einsums_of_two_operands_add_in_order(sizes in sizes(), seed in any::<u64>(), special_every in 1..=9_u64, infinite in any::<bool>()) {
        for text in OF_TWO {
            let einsum = Einsum::new(text, &sizes);
            check_sums(&einsum, text, seed)?;
            let [x, w, y] = std::array::from_fn(|end| einsum.shape(end));
            check_views(&Bilinear::new(einsum.contraction, [Equation::default(); 3]), &x, Some(&w), &y, seed, special_every, infinite)?;
        }
    }

    #[test]
    fn einsums_of_one_operand_add_in_order(sizes in sizes(), seed in any::<u64>(), special_every in 1..=9_u64, infinite in any::<bool>()) {
        for text in OF_ONE {
            let einsum = Einsum::new(text, &sizes);
            let (x, y) = (einsum.shape(0), einsum.shape(2));
            let input = numbers(seed, len(&x), special_every, infinite);
            for weight in [None, Some(1.0 / 3.0)] {
                let mut plain = vec![-0.0; len(&y)];
                for edge in einsum.edges() {
                    plain[edge.output] += weight.map_or(input[edge.input], |k| k * input[edge.input]);
                }
                let function = ConstantWeights::new(einsum.contraction.clone(), weight.map_or(Weights::Unweighted, Weights::Uniform), Equation::default(), Equation::default());
                // any numbers, which `forward` overwrites
                let mut sums = vec![7.0; len(&y)];
                crate::kernels::forward(&function, &input, &mut sums);
                prop_assert!(sums.iter().zip(&plain).all(|(sum, right)| same(*sum, *right)), "{text} with {:?}", einsum.sizes);
                check_views(&function, &x, None, &y, seed, special_every, infinite)?;
            }
        }
    }

    #[test]
    fn entries_are_copied_one_by_one(shape in prop::collection::vec(1..=5_usize, 0..4), seed in any::<u64>()) {
        let copy = ConstantWeights::new(Contraction::elementwise(), Weights::Copy, Equation::default(), Equation::default());
        check_views(&copy, &shape, None, &shape, seed, 3, true)?;
    }
}

/// Sizes follow from the shapes of the operands; a mismatch names both tensors and their axes.
#[test]
fn sizes_are_inferred_from_shapes() {
    let sizes = |text: &str, shapes: &[&[usize]]| Subscripts::parse(text).expect("an einsum").sizes(shapes).map_err(|why| why.to_string());
    assert_eq!(sizes("oi,i->o", &[&[3, 4], &[4]]), Ok(vec![('o', 3), ('i', 4)]));
    assert_eq!(sizes("ca->c", &[&[2, 9]]), Ok(vec![('c', 2), ('a', 9)]));
    assert_eq!(
        sizes("oi,i->o", &[&[3, 4], &[5]]),
        Err("the weight is 3x4, but the input is a vector of 5 numbers: axis 1 of the weight (4) must be the input's size (5)".to_owned())
    );
    assert_eq!(
        sizes("bij,bjk->bik", &[&[2, 3, 4], &[2, 5, 6]]),
        Err("the weight is 2x3x4, but the input is 2x5x6: axis 2 of the weight (4) must be axis 1 of the input (5)".to_owned())
    );
}

#[test]
fn einsums_that_no_contraction_computes_are_refused() {
    for text in ["ij", "ii->i", "ij,jj->i", "i1->i", "i->jj", "a,b,c->a"] {
        assert_eq!(Subscripts::parse(text), None, "{text}");
    }
    let contraction = |text: &str| Subscripts::parse(text).expect("an einsum").contraction(|_| 2);
    assert!(contraction("abcd,dcba->").is_none(), "four loops are left, but a contraction has at most three");
    // labels with the same order in all tensors become one loop, here of 2⁴ values
    assert!(contraction("abcd,abcd->").is_some_and(|one| one.nest(View::Output, 0).counts == [1, 1, 16]));
    assert!(contraction("abc,cba->").is_some());
    // the strides of a label in the input, the weight and the output: an input stride of 2 skips every second entry of the input
    assert!(Contraction::new(&[Label { size: 3, strides: [2, 0, 1] }]).is_none());
    // a label that is in no tensor: its edges have the same three ends
    assert!(Contraction::new(&[Label { size: 3, strides: [0; 3] }]).is_none());
}

//! Mistakes in the closed form of a norm's input gradient. With q = (x − μ) / σ and g = ∂C/∂q it is
//!
//! ```text
//! ∂C/∂x = 1/σ · (g − mean(g) − q · mean(g · q))
//! ```
//!
//! where both means are over the entries that are normalised together.

use std::any::Any;
use std::sync::Arc;

use super::super::plan::{OpChange, PassChange};
use super::super::planting::{Planted, Variant, WrongTensor};
use super::super::site::RightIteration;
use super::super::wrong_rule::{WrongRule, WrongTerms, with_terms};
use super::normalised::{self, Normalised};
use crate::network::{Id, Part};
use crate::op::groups::Groups;
use crate::op::rule::{Memo, Operands, Rule, Term, constant, entry};
use crate::op::slot::Reads;
use crate::op::slot::Slot::Input;

/// The closed form, perhaps with a mistake. The operands are g, the tensor in the second mean (q), the tensor before it (q), and σ or 1/σ.
#[derive(Clone, Debug)]
struct NormFormula {
    /// For each entry, the entry of σ.
    scales: Arc<[usize]>,
    /// `true` if the last operand is σ, `false` if it is 1/σ.
    is_divided: bool,
    /// The power of 1/σ: 1 in the right formula.
    power: i32,
    /// For each entry, the number of its group in the means.
    groups: Arc<[usize]>,
    /// The number of entries of each group.
    sizes: Arc<[f64]>,
    /// The factors of the two means. They are −1 in the right formula.
    factors: [f64; 2],
    /// Whether the means are sums, which are not divided by n.
    are_sums: [bool; 2],
}

/// The two means of each group, each multiplied by its factor.
type Means = Vec<[f64; 2]>;

impl NormFormula {
    fn of(norm: &Normalised) -> Self {
        let formula = Self {
            scales: Arc::clone(&norm.groups),
            is_divided: norm.is_divided,
            power: 1,
            groups: Arc::default(),
            sizes: Arc::default(),
            factors: [-1.0, -1.0],
            are_sums: [false, false],
        };
        formula.over(Arc::clone(&norm.groups))
    }

    /// The formula with means over other groups.
    fn over(self, groups: Arc<[usize]>) -> Self {
        let mut sizes = vec![0.0; groups.iter().max().map_or(0, |last| last + 1)];
        groups.iter().for_each(|group| sizes[*group] += 1.0);
        Self { groups, sizes: sizes.into(), ..self }
    }
}

impl WrongTerms for NormFormula {
    fn memo(&self, tensors: &Reads<&[f64]>) -> Memo {
        let [g, inner] = [tensors[Input(0)], tensors[Input(1)]];
        let mut means: Means = vec![[0.0; 2]; self.sizes.len()];
        for ((group, g), inner) in self.groups.iter().zip(g).zip(inner) {
            means[*group][0] += g;
            means[*group][1] += g * inner;
        }
        for (means, size) in means.iter_mut().zip(&*self.sizes) {
            for (n, mean) in means.iter_mut().enumerate() {
                *mean *= self.factors[n] / if self.are_sums[n] { 1.0 } else { *size };
            }
        }
        Some(Arc::new(means) as Arc<dyn Any + Send + Sync>)
    }

    fn terms(&self, x: &Operands<'_>, at: usize) -> Vec<Term> {
        let means = x.memo::<Means>().expect("the memo of this rule");
        let last_operand = x.get(Input(3), self.scales[at]);
        let scale = if self.is_divided { 1.0 / last_operand } else { last_operand }.powi(self.power);
        let [mean, mean_of_products] = means[self.groups[at]];
        let term = |factor: f64, slot: usize| Term::product([entry(x, Input(slot), at), constant(factor)].into_iter().collect());
        vec![term(scale, 0), Term::product([constant(scale * mean)].into_iter().collect()), term(scale * mean_of_products, 2)]
    }
}

/// A norm with the formula of its input gradient.
struct NormSite<'a> {
    iteration: RightIteration<'a>,
    norm: Normalised,
}

impl NormSite<'_> {
    /// The operands of the formula. `inner` is the tensor in the second mean and `outer` the tensor before it; both are q in the right formula.
    fn operands(&self, [inner, outer]: [Id; 2]) -> Option<Reads<Id>> {
        Some(Reads::inputs([self.iteration.network.gradient_of(self.norm.q)?, inner, outer, self.norm.scale]))
    }

    /// The changes that replace the norm's parts: the first of them by the formula, and the others by a rule without terms.
    fn with(&self, formula: NormFormula, tensors: [Id; 2]) -> Option<Vec<PassChange>> {
        let (first, others) = self.norm.parts.split_first()?;
        let rule: Arc<dyn Rule> = Arc::new(WrongRule(formula));
        let nothing = with_terms(&rule, |_, _, _| Vec::new());
        let operands = self.operands(tensors)?;
        let part = |number: usize, rule: &Arc<dyn Rule>| {
            PassChange::sample(self.norm.op, OpChange::Part(number, Part { rule: Arc::clone(rule), operands: operands.clone() }))
        };
        Some(std::iter::once(part(*first, &rule)).chain(others.iter().map(|number| part(*number, &nothing))).collect())
    }

    /// Whether the formula gives the right gradient: the tensors are those of a norm.
    fn is_norm(&self) -> bool {
        let Some(operands) = self.operands([self.norm.q, self.norm.q]) else { return false };
        let formula = WrongRule(NormFormula::of(&self.norm));
        let tensors = operands.map(|id| self.iteration.values(id));
        let memo = formula.memo(&tensors);
        let mut numbers = vec![0.0; self.iteration.len(self.norm.x)];
        formula.accumulate(&Operands { tensors: tensors.reborrow(), memo: &memo }, &mut numbers);
        let mut right = vec![0.0; numbers.len()];
        for part in &self.norm.parts {
            let Part { rule, operands } = &self.iteration.network.ops()[self.norm.op].parts[*part];
            let tensors = operands.map(|id| self.iteration.values(id));
            let memo = rule.memo(&tensors);
            rule.accumulate(&Operands { tensors: tensors.reborrow(), memo: &memo }, &mut right);
        }
        let largest = right.iter().fold(0.0_f64, |largest, number| largest.max(number.abs()));
        numbers.iter().zip(&right).all(|(number, right)| (number - right).abs() <= 1e-6 * largest)
    }
}

/// A wrong formula: the name of the variant, the end of its sentence, and the changes.
type WrongFormula = (Option<String>, String, Vec<PassChange>);

/// Plants wrong formulas: at each norm alone, and at all norms that have them.
fn planted(wrong_tensor: &WrongTensor<'_>, formulas: impl Fn(&NormSite<'_>) -> Vec<Option<WrongFormula>>) -> Vec<Planted> {
    let iteration = wrong_tensor.iteration;
    let mut planted: Vec<Planted> = Vec::new();
    let mut together: Vec<(WrongFormula, Vec<String>)> = Vec::new();
    let sites = normalised::all(&iteration).into_iter().map(|norm| NormSite { iteration, norm }).filter(NormSite::is_norm);
    for site in sites {
        let at = iteration.place_of(site.norm.q);
        for (name, detail, edits) in formulas(&site).into_iter().flatten() {
            let variant = Variant { name: name.clone(), detail: detail.clone(), edits: edits.clone() };
            planted.push(variant.at(vec![at.clone()]));
            match together.iter_mut().find(|((other, ..), _)| *other == name) {
                Some(((_, _, all), places)) => {
                    all.extend(edits);
                    places.push(at.clone());
                }
                None => together.push(((name, detail, edits), vec![at.clone()])),
            }
        }
    }
    let several = together.into_iter().filter(|(_, at)| at.len() > 1);
    planted.extend(several.map(|((name, detail, edits), at)| Variant { name, detail, edits }.at(at)));
    planted
}

fn named(name: impl Into<String>, detail: impl Into<String>, edits: Option<Vec<PassChange>>) -> Option<WrongFormula> {
    edits.map(|edits| (Some(name.into()), detail.into(), edits))
}

/// The factor 1/σ is missing, or multiplied in twice.
pub fn sigma_missing(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    planted(wrong_tensor, |site| {
        let right = NormFormula::of(&site.norm);
        let power = |power: i32| site.with(NormFormula { power, ..right.clone() }, [site.norm.q; 2]);
        vec![power(0).map(|edits| (None, ": it is missing".to_owned(), edits)), named("twice", ": it is multiplied in twice", power(2))]
    })
}

/// The means are over other entries than those that are normalised together: along one axis, along the last two, or over all entries.
pub fn along_wrong_axis(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    planted(wrong_tensor, |site| {
        let shape = site.iteration.shape(site.norm.x);
        let rank = shape.len();
        let mut axes: Vec<(String, Vec<usize>)> = (0..rank).map(|axis| (format!("axis {axis}"), vec![axis])).collect();
        if rank > 2 {
            axes.push(("the last two axes".to_owned(), vec![rank - 2, rank - 1]));
        }
        if rank > 1 {
            axes.push(("all axes".to_owned(), (0..rank).collect()));
        }
        let other = |(name, axes): (String, Vec<usize>)| {
            let groups = Groups::along(shape, &axes);
            let groups: Arc<[usize]> = (0..site.iteration.len(site.norm.x)).map(|at| groups.group_of(at).0).collect();
            let is_same = groups.iter().zip(&*site.norm.groups).all(|(one, other)| one == other);
            let is_trivial = groups.iter().enumerate().all(|(at, group)| at == *group);
            if is_same || is_trivial {
                return None;
            }
            named(name.clone(), format!(": along {name}"), site.with(NormFormula::of(&site.norm).over(groups), [site.norm.q; 2]))
        };
        axes.into_iter().map(other).collect()
    })
}

/// The means are sums: they are not divided by n.
pub fn not_divided(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    planted(wrong_tensor, |site| {
        let sums = |are_sums: [bool; 2]| site.with(NormFormula { are_sums, ..NormFormula::of(&site.norm) }, [site.norm.q; 2]);
        let mut formulas = vec![sums([true, true]).map(|edits| (None, String::new(), edits))];
        // in a graph, the factor 1/n of each path has a node, and a mistake, of its own
        if site.iteration.has_layers() {
            formulas.push(named("mean", ": that of the path through the mean", sums([true, false])));
            formulas.push(named("variance", ": that of the path through the variance", sums([false, true])));
        }
        formulas
    })
}

/// The path through the mean or through the variance has a wrong sign, factor or tensor.
pub fn path_wrong(wrong_tensor: &WrongTensor<'_>) -> Vec<Planted> {
    planted(wrong_tensor, |site| {
        let Normalised { x, centred: c, q, .. } = site.norm;
        let reading = |tensors: [Id; 2]| site.with(NormFormula::of(&site.norm), tensors);
        let times = |factors: [f64; 2]| site.with(NormFormula { factors, ..NormFormula::of(&site.norm) }, [q, q]);
        vec![
            named("centred", ": one of its two x̂ is x − μ", reading([q, c])),
            named("centred-twice", ": it has x − μ instead of x̂", reading([c, c])),
            named("input", ": one of its two x̂ is x", reading([q, x])),
            named("input-twice", ": it has x instead of x̂", reading([x, x])),
            named("variance-added", ": it is added instead of subtracted", times([-1.0, 1.0])),
            named("variance-doubled", ": it counts twice", times([-1.0, -2.0])),
            named("variance-halved", ": it counts half", times([-1.0, -0.5])),
        ]
    })
}

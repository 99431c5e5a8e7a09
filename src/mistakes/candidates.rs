//! The candidates of a search: each mistake of the table at each of its possible places, and at several places at once.

use std::collections::HashSet;

use super::fit::{Candidate, ComparedTensor, Fit};
use super::mistake::Mistake;
use super::plan::WrongPass;
use super::planting::{Planted, Planter, Variant, WrongTensor};
use super::site::{RightIteration, Site};
use super::table::MISTAKES;
use crate::network::Id;

/// Up to this number of sites, each pair of sites is tried, and each set that lacks one site.
const MAX_PAIRED_SITES: usize = 8;

/// The name of a variant, and the indices of the sites where it is possible, each with the variant there.
type NamedVariant = (Option<String>, Vec<(usize, Variant)>);

/// The places where mistakes are planted: the sites from which one of the user's tensors is computed.
pub(super) struct Candidates<'a> {
    iteration: RightIteration<'a>,
    sites: Vec<Site<'a>>,
}

impl<'a> Candidates<'a> {
    /// Finds the sites.
    pub fn new(iteration: RightIteration<'a>, tensors: &[ComparedTensor<'_>]) -> Self {
        let reaching = reaching(&iteration, tensors);
        Self { iteration, sites: iteration.sites().into_iter().filter(|site| reaching[site.op]).collect() }
    }

    /// Returns the candidates that a fit can be extended with, in the order of the table. `tensor` is the user's tensor that they should explain.
    pub fn of(&self, base: &Fit, tensor: &ComparedTensor<'_>) -> Vec<Candidate> {
        let right = WrongPass::new(self.iteration.trace, &base.plan).values(tensor.run, tensor.id).to_vec();
        let ComparedTensor { run, id, gradient, numbers, .. } = *tensor;
        let wrong_tensor = WrongTensor { iteration: self.iteration, run, id, of: gradient.of, user: numbers, right: &right };
        let mut candidates = Vec::new();
        for mistake in MISTAKES {
            let (at_site, in_pass) = match mistake.planter {
                Planter::None => (None, None),
                Planter::AtSite(plant) => (Some(plant), None),
                Planter::InPass(plant) => (None, Some(plant)),
                Planter::Both(at_site, in_pass) => (Some(at_site), Some(in_pass)),
            };
            candidates.extend(at_site.into_iter().flat_map(|plant| self.at_sites(mistake, plant, base)));
            let planted = in_pass.into_iter().flat_map(|plant| plant(&wrong_tensor));
            candidates.extend(planted.map(|Planted { variant: Variant { name: variant, detail, edits }, at }| Candidate {
                mistake,
                variant,
                detail,
                at,
                edits,
                sites: Vec::new(),
            }));
        }
        candidates
    }

    /// Returns the candidates of a mistake that is planted at sites: for each variant, one at each set of its possible sites that [`subsets`] gives.
    fn at_sites(&self, mistake: &'static Mistake, plant: fn(&Site<'_>) -> Vec<Variant>, base: &Fit) -> Vec<Candidate> {
        // the sites where the fit already has this mistake
        let used: HashSet<usize> = base
            .candidates
            .iter()
            .filter(|candidate| candidate.mistake.id == mistake.id)
            .flat_map(|candidate| candidate.sites.clone())
            .collect();
        let mut by_name: Vec<NamedVariant> = Vec::new();
        for (number, site) in self.sites.iter().enumerate().filter(|(number, _)| !used.contains(number)) {
            for variant in plant(site) {
                let index = by_name.iter().position(|(name, _)| *name == variant.name).unwrap_or_else(|| {
                    by_name.push((variant.name.clone(), Vec::new()));
                    by_name.len() - 1
                });
                by_name[index].1.push((number, variant));
            }
        }
        let mut candidates = Vec::new();
        for (variant, possible) in by_name {
            let sites: Vec<&Site<'_>> = possible.iter().map(|(site, _)| &self.sites[*site]).collect();
            for set in subsets(possible.len()).into_iter().chain(in_each_turn(&sites)) {
                let chosen: Vec<&(usize, Variant)> = set.iter().map(|n| &possible[*n]).collect();
                let mut at: Vec<String> = Vec::new();
                // the sites are in the order of the backward pass, but the names begin with the first layer
                for (site, _) in chosen.iter().rev() {
                    let name = self.iteration.place_of(self.sites[*site].y);
                    if !at.contains(&name) {
                        at.push(name);
                    }
                }
                // different places may have different ends of the sentence, such as the formulas of two activations
                let detail = &chosen[0].1.detail;
                let is_common = chosen.iter().all(|(_, variant)| variant.detail == *detail);
                candidates.push(Candidate {
                    mistake,
                    variant: variant.clone(),
                    detail: if is_common { detail.clone() } else { String::new() },
                    at,
                    edits: chosen.iter().flat_map(|(_, variant)| variant.edits.clone()).collect(),
                    sites: chosen.iter().map(|(site, _)| *site).collect(),
                });
            }
        }
        candidates
    }
}

/// For each op of a sample, by its number, whether one of the user's tensors depends on it.
fn reaching(iteration: &RightIteration<'_>, tensors: &[ComparedTensor<'_>]) -> Vec<bool> {
    let network = iteration.network;
    let mut reaches = vec![false; network.tensors().len()];
    for tensor in tensors {
        // a gradient of the batch comes from the samples' gradient of the same tensor
        if let Some(gradient) = network.gradient_of(tensor.gradient.of) {
            reaches[gradient] = true;
        }
    }
    let mut ops = vec![false; network.ops().len()];
    for (number, op) in network.ops().iter().enumerate().rev() {
        if reaches[op.output] {
            ops[number] = true;
            op.parts.iter().flat_map(|part| part.operands.iter()).for_each(|id| reaches[*id] = true);
        }
    }
    ops
}

/// Returns the sets of sites that are the same place of the text in each turn of a loop, as indices in the list. Sets of one site, and the set of all sites,
/// are left out.
fn in_each_turn(sites: &[&Site<'_>]) -> Vec<Vec<usize>> {
    // the place of a tensor in the text; for a given tensor, the tensor itself
    let place = |site: &Site<'_>, id: Id| match site.iteration.network.text().origin(id) {
        Some(origin) => (origin.statement, origin.byte_range.clone(), None),
        None => (0, 0..0, Some(id)),
    };
    let mut sets: Vec<(_, Vec<usize>)> = Vec::new();
    for (n, site) in sites.iter().enumerate().filter(|(_, site)| site.iteration.network.text().turn(site.y).is_some()) {
        let key = (place(site, site.y), place(site, site.of));
        match sets.iter_mut().find(|(known_key, _)| *known_key == key) {
            Some((_, set)) => set.push(n),
            None => sets.push((key, vec![n])),
        }
    }
    sets.into_iter().map(|(_, set)| set).filter(|set| (2..sites.len()).contains(&set.len())).collect()
}

/// Returns sets of the numbers from 0 to `count` − 1: each number alone, and all of them. If there are few, also each pair, and each set that lacks one
/// number.
fn subsets(count: usize) -> Vec<Vec<usize>> {
    let mut sets: Vec<Vec<usize>> = (0..count).map(|n| vec![n]).collect();
    if count > 1 {
        sets.push((0..count).collect());
    }
    // a pair of two is all of them, and a set that lacks one of three is a pair
    if (3..=MAX_PAIRED_SITES).contains(&count) {
        sets.extend((0..count).flat_map(|n| (n + 1..count).map(move |m| vec![n, m])));
    }
    if (4..=MAX_PAIRED_SITES).contains(&count) {
        sets.extend((0..count).map(|n| (0..count).filter(|m| *m != n).collect()));
    }
    sets
}

//! Finds the terms of an entry that read certain entries, such as those on the screen. The time grows with the number of these entries, not with the number of
//! terms.

use super::find::{Sources, sources_of_term};
use super::{Position, Trace};
use crate::network::Id;
use crate::tally;

/// A term that reads an entry.
#[derive(Clone, Debug, PartialEq)]
pub struct TermRead {
    /// The number of the term, from 0.
    pub term: u64,
    /// The offset of the entry that the term reads.
    pub place: usize,
    /// All entries that the term reads. Of a term that reads a whole operand or a window of it, the list has only the entry at `place`.
    pub reads: Sources,
}

impl Trace {
    /// Returns the terms of the entry at a position that read an entry of `tensor` at one of these offsets, in order. `places` must be sorted.
    #[must_use]
    pub fn term_reads(&self, at: &Position, tensor: Id, places: &[usize]) -> Vec<TermRead> {
        let (run, op, op_index) = self.op(at.segment);
        let network = self.network_of(at.run_index);
        let mut found = Vec::new();
        let readers = network.readers(tensor);
        let readers = &readers[readers.partition_point(|reader| reader.op < op_index)..];
        let mut parts: Vec<usize> = readers.iter().take_while(|reader| reader.op == op_index).map(|reader| reader.part).collect();
        parts.dedup();
        for part in parts {
            let operands = &op.parts[part].operands;
            let (rule, x) = run.part(op, op_index, part);
            let terms_before = self.terms_before_part(at.segment, at.entry, part);
            let terms = rule.prefix_terms(&x, at.entry + 1) - rule.prefix_terms(&x, at.entry);
            let reads = |term: u64| sources_of_term(network, operands, &rule.term(&x, at.entry, term));
            // if the part has few terms, visiting each term is faster than a search for each offset. This does not hold for a gather: it has one term, but
            // this term reads many entries
            if !rule.is_gather() && terms <= places.len() as u64 {
                for term in 0..terms {
                    let reads = reads(term);
                    let matches = reads.iter().filter(|(id, place)| *id == tensor && places.binary_search(place).is_ok());
                    found.extend(matches.map(|(_, place)| TermRead { term: terms_before + term, place: *place, reads: reads.clone() }));
                }
                continue;
            }
            let slots = operands.each().filter(|(_, id)| *id == tensor).map(|(slot, _)| slot);
            for (slot, &place) in slots.flat_map(|slot| places.iter().map(move |place| (slot, place))) {
                // tests count these searches
                tally::count(1);
                found.extend(rule.terms_at(&x, at.entry, slot, place).into_iter().filter(|term| *term < terms).map(|term| {
                    let reads = if rule.is_gather() { Sources::from_slice(&[(tensor, place)]) } else { reads(term) };
                    TermRead { term: terms_before + term, place, reads }
                }));
            }
        }
        found.sort_by_key(|read| (read.term, read.place));
        found.dedup_by_key(|read| (read.term, read.place));
        found
    }
}

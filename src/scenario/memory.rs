//! Compares the memory for a scenario with the limit: for its text, its tensors, and one iteration.

use super::budget::Budget;
use super::reader::{ScenarioReader, Span, TomlTable};
use crate::network::{Network, Role, Sizes, Train};
use crate::op::layer::Reported;
use crate::room;
use crate::tensor::len;

/// The bytes of an entry with its gradient, and the overhead of each tensor (measured).
const ENTRY: u128 = 16;
const KEPT_FOR_EACH: u128 = 2048;
/// The same for a sample's input or target, which has no gradient before the sample is computed.
const GIVEN_ENTRY: u128 = 8;
const KEPT_FOR_GIVEN: u128 = 320;
/// The bytes of the parsed text for each byte of text (measured maximum), and the length of text that is not counted.
const TREE: u64 = 56;
const SHORT: u64 = 64 << 10;

impl ScenarioReader {
    /// Claims the memory of the parsed text.
    pub fn claim_text(&mut self, text: &str) -> Result<(), Reported> {
        self.budget.tree = (text.len() as u64).saturating_sub(SHORT) * TREE;
        let Budget { tree, limit, .. } = self.budget;
        if tree <= limit {
            return Ok(());
        }
        self.budget.refused = true;
        let [tree, limit] = [tree, limit].map(|bytes| room::text(bytes.into()));
        let message = format!("reading this file takes {tree}; the limit is {limit}");
        Err(self.file_fault(message, "put large tensors into files, { file = … }, or raise the limit with --memory-limit"))
    }

    /// Claims the memory of a tensor of this shape and its gradient. Only the first refusal is reported.
    pub fn claim(&mut self, span: &Span, shape: &[usize]) -> Result<(), Reported> {
        self.claim_many(span, shape, 1)
    }

    /// Claims the memory of `count` tensors of this shape and their gradients.
    pub fn claim_many(&mut self, span: &Span, shape: &[usize], count: usize) -> Result<(), Reported> {
        self.ask(span, shape, count, [ENTRY, KEPT_FOR_EACH])
    }

    /// Claims the memory of a sample's input or target.
    pub fn claim_given(&mut self, span: &Span, shape: &[usize]) -> Result<(), Reported> {
        self.ask(span, shape, 1, [GIVEN_ENTRY, KEPT_FOR_GIVEN])
    }

    fn ask(&mut self, span: &Span, shape: &[usize], count: usize, [entry, besides]: [u128; 2]) -> Result<(), Reported> {
        let bytes = shape.iter().try_fold(entry, |bytes, &n| bytes.checked_mul(n as u128));
        let each = bytes.and_then(|bytes| bytes.checked_add(besides));
        let all = each.and_then(|each| each.checked_mul(count as u128)).unwrap_or(u128::MAX / 2);
        let total = all.saturating_add(u128::from(self.budget.asked));
        // while the parsed text exists, there are no gradients
        let now = total / 2 + u128::from(self.budget.tree);
        let limit = u128::from(self.budget.limit);
        if total > limit || now > limit {
            if !self.budget.refused {
                self.budget.refused = true;
                let (text, limit) = (room::text(total.max(now)), room::text(limit));
                let more = if text == limit { format!("more than the limit of {limit}") } else { format!("{text}; the limit is {limit}") };
                let message = if total >= now {
                    format!("up to here the tensors and their gradients take {more}")
                } else {
                    format!("up to here the tensors and the text of this file take {more}")
                };
                self.fault(span.clone(), message, "make the network smaller, or raise the limit with --memory-limit");
            }
            return Err(Reported);
        }
        self.budget.asked = u64::try_from(total).unwrap_or(u64::MAX);
        self.budget.besides += u64::try_from(besides * count as u128).unwrap_or(0);
        Ok(())
    }
}

/// Checks the memory of one iteration without its update, which is claimed when it is made. Returns the bytes of the scenario itself.
pub(super) fn iteration(
    reader: &mut ScenarioReader,
    file: &TomlTable<'_>,
    network: &Network,
    samples: usize,
    train: Option<&Train>,
) -> Result<u64, Reported> {
    let batch = train.map_or(samples, |train| train.batch_size.min(samples));
    let sizes = Sizes::of(network, batch, train);
    let given = network.with_role(Role::Input { learns: false }).chain(network.with_role(Role::Target));
    let given = given.map(|id| len(&network.tensor(id).shape) as u64 * 8).sum::<u64>().saturating_mul(samples as u64);
    let taken = sizes.fixed.saturating_add(given).saturating_add(reader.budget.besides);
    let total = taken.saturating_add(sizes.pass);
    if total <= reader.budget.limit || reader.budget.refused {
        return Ok(taken);
    }
    reader.budget.refused = true;
    let [total, limit] = [total, reader.budget.limit].map(|bytes| room::text(bytes.into()));
    let place = file.get("train").and_then(|train| train.get_ref().as_table()?.get_key_value("batch_size")).map(|(key, _)| key.span());
    let place = place.or_else(|| file.get_key_value("sample").map(|(key, _)| key.span()));
    let (what, help) = match (batch, train) {
        (1, _) => ("one iteration".to_owned(), "make the network smaller, or raise the limit with --memory-limit"),
        (_, None) => (format!("the passes of {batch} samples"), "leave samples out, or raise the limit with --memory-limit"),
        _ => (format!("one iteration with {batch} samples"), "take a smaller batch_size, or raise the limit with --memory-limit"),
    };
    let message = format!("{what} takes {total}; the limit is {limit}");
    Err(match place {
        Some(place) => reader.fault(place, message, help),
        None => reader.file_fault(message, help),
    })
}

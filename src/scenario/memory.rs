//! Estimates the memory that a scenario needs for its parsed text, its tensors and one iteration of training, and compares it with the limit.
//!
//! To *claim* memory means to add its bytes to the sum of all claims, and to compare this sum with the limit. Memory is claimed before it is allocated. The
//! parsed text, which is freed when the scenario is read, has a sum of its own.

use super::budget::Budget;
use super::reader::{ScenarioReader, Span, TomlTable};
use crate::memory_budget;
use crate::network::{Network, Role, Sizes, Train};
use crate::op::layer::Reported;
use crate::op::loss::BatchLoss;
use crate::tensor::len;
use crate::text::counted;

/// The bytes of an entry and of its gradient: two numbers of type f64.
const ENTRY_WITH_GRADIENT: u128 = 16;
/// The bytes that each tensor takes beside its entries (measured).
const TENSOR_OVERHEAD: u128 = 2048;
/// The bytes of an entry of a sample's input or target. These tensors have no gradient before the sample is computed.
const SAMPLE_ENTRY: u128 = 8;
/// The bytes that each input or target of a sample takes beside its entries (measured).
const SAMPLE_OVERHEAD: u128 = 320;
/// The largest number of bytes that the TOML parser allocates for each byte of text (measured).
const PARSED_BYTES: u64 = 56;
/// The number of bytes of text that are not counted, so that a short file can be read with any limit.
const FREE_TEXT: u64 = 64 << 10;

impl ScenarioReader {
    /// Claims the memory of the parsed text, before the text is parsed.
    pub fn claim_text(&mut self, text: &str) -> Result<(), Reported> {
        self.budget.parsed_text = (text.len() as u64).saturating_sub(FREE_TEXT) * PARSED_BYTES;
        let Budget { parsed_text, limit, .. } = self.budget;
        if parsed_text <= limit {
            return Ok(());
        }
        self.budget.is_exceeded = true;
        let message = format!("reading this file takes {}", excess(parsed_text.into(), limit.into()));
        Err(self.report_for_file(message, "put large tensors into files, { file = … }, or raise the limit with --memory-limit"))
    }

    /// Claims the memory of a tensor of this shape and its gradient. An error means that the limit is exceeded. Only the first such error is reported.
    pub fn claim(&mut self, span: &Span, shape: &[usize]) -> Result<(), Reported> {
        self.claim_many(span, shape, 1)
    }

    /// Claims the memory of `count` tensors of this shape and their gradients.
    pub fn claim_many(&mut self, span: &Span, shape: &[usize], count: usize) -> Result<(), Reported> {
        self.claim_bytes(span, shape, count, [ENTRY_WITH_GRADIENT, TENSOR_OVERHEAD])
    }

    /// Claims the memory of a sample's input or target.
    pub fn claim_for_sample(&mut self, span: &Span, shape: &[usize]) -> Result<(), Reported> {
        self.claim_bytes(span, shape, 1, [SAMPLE_ENTRY, SAMPLE_OVERHEAD])
    }

    /// Claims the memory of `count` tensors: `entry` bytes for each entry and `overhead` bytes for each tensor.
    fn claim_bytes(&mut self, span: &Span, shape: &[usize], count: usize, [entry, overhead]: [u128; 2]) -> Result<(), Reported> {
        let entry_bytes = shape.iter().try_fold(entry, |bytes, &n| bytes.checked_mul(n as u128));
        let each = entry_bytes.and_then(|bytes| bytes.checked_add(overhead));
        // if the product overflows, it is replaced by half of the largest u128, which is above every limit, and with which the sums below do not overflow
        let all = each.and_then(|each| each.checked_mul(count as u128)).unwrap_or(u128::MAX / 2);
        let total = all.saturating_add(u128::from(self.budget.claimed));
        // the gradients, at most half of the total, do not exist while the parsed text is in memory
        let while_parsing = total / 2 + u128::from(self.budget.parsed_text);
        let limit = u128::from(self.budget.limit);
        if total > limit || while_parsing > limit {
            if !self.budget.is_exceeded {
                self.budget.is_exceeded = true;
                let excess = excess(total.max(while_parsing), limit);
                let message = if total >= while_parsing {
                    format!("up to here the tensors and their gradients take {excess}")
                } else {
                    format!("up to here the tensors and the text of this file take {excess}")
                };
                self.report(span.clone(), message, "make the network smaller, or raise the limit with --memory-limit");
            }
            return Err(Reported);
        }
        self.budget.claimed = u64::try_from(total).unwrap_or(u64::MAX);
        self.budget.overhead += u64::try_from(overhead * count as u128).unwrap_or(0);
        Ok(())
    }
}

/// Returns the words for a size above the limit: `1.1 GiB; the limit is 1.0 GiB`.
fn excess(size: u128, limit: u128) -> String {
    let [size, limit] = [size, limit].map(memory_budget::text);
    // the two sizes may be rounded to the same text, although they differ
    if size == limit { format!("more than the limit of {limit}") } else { format!("{size}; the limit is {limit}") }
}

/// Checks that one iteration fits into the memory limit. Returns the bytes that the scenario itself takes while it is open.
///
/// The iteration is counted without its update. The memory of the update is reserved when it is computed.
pub(super) fn check_iteration(
    reader: &mut ScenarioReader,
    file: &TomlTable<'_>,
    network: &Network,
    samples: usize,
    loss: BatchLoss,
    train: Option<&Train>,
) -> Result<u64, Reported> {
    let batch = train.map_or(samples, |train| train.batch_size.min(samples));
    // in bytes: `shared_tensors` for the parameters and constants, `without_update` for the computation of a batch
    let sizes = Sizes::of(network, batch, loss, train);
    let sample_tensors = network.with_role(Role::Input { learns: false }).chain(network.with_role(Role::Target));
    // an f64 has 8 bytes
    let sample_bytes = sample_tensors.map(|id| len(&network.tensor(id).shape) as u64 * 8).sum::<u64>();
    let all_samples = sample_bytes.saturating_mul(samples as u64);
    let taken = sizes.shared_tensors.saturating_add(all_samples).saturating_add(reader.budget.overhead);
    let total = taken.saturating_add(sizes.without_update);
    if total <= reader.budget.limit || reader.budget.is_exceeded {
        return Ok(taken);
    }
    reader.budget.is_exceeded = true;
    // the fault is reported at the batch size; without one, at the samples or for the whole file
    let span = file.get("train").and_then(|train| train.get_ref().as_table()?.get_key_value("batch_size")).map(|(key, _)| key.span());
    let span = span.or_else(|| ["sample", "samples"].into_iter().find_map(|key| Some(file.get_key_value(key)?.0.span())));
    let (subject, help) = match (batch, train) {
        (1, _) => ("one iteration".to_owned(), "make the network smaller, or raise the limit with --memory-limit"),
        (_, None) if file.contains_key("samples") => (
            format!("the passes of {}", counted(batch, "sample")),
            "read fewer, such as rows = [0, 10], or raise the limit with --memory-limit",
        ),
        (_, None) => (format!("the passes of {}", counted(batch, "sample")), "leave samples out, or raise the limit with --memory-limit"),
        _ => (
            format!("one iteration over {}", counted(batch, "sample")),
            "take a smaller batch_size, or raise the limit with --memory-limit",
        ),
    };
    // `total` includes what the scenario takes without an iteration
    let message = format!("with {subject}, this scenario takes {}", excess(total.into(), reader.budget.limit.into()));
    Err(match span {
        Some(span) => reader.report(span, message, help),
        None => reader.report_for_file(message, help),
    })
}

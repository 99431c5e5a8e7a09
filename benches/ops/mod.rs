//! Measures the times of single ops.

use gradstep::network::Run;
use gradstep::scenario::Scenario;

use crate::turns::{median, time};

/// The number of ops that are printed.
const PRINTED: usize = 16;

/// Prints the slowest ops of a scenario, each with its median time, and the sum of the median times of all ops.
#[allow(clippy::cast_precision_loss)] // far fewer than 2⁵³ nanoseconds
pub fn print_slowest(name: &str, scenario: &Scenario) {
    println!("\n{name}: the slowest ops, µs");
    let network = &scenario.network;
    let run = Run::new(network, &scenario.sample_tensors(0));
    let mut all: Vec<(u64, String)> = network
        .ops()
        .iter()
        .map(|op| {
            let info = network.tensor(op.output);
            let mut sums = vec![0.0; info.shape.iter().product()];
            let times: Vec<u64> = (0..200).map(|_| time(|| op.compute(|id| run.values(id), &mut sums))).collect();
            (median(&times), format!("{} {:?}", info.name, info.shape))
        })
        .collect();
    println!("{:9.1}  all", all.iter().map(|(time, _)| time).sum::<u64>() as f64 / 1e3);
    all.sort_unstable_by(|a, b| b.cmp(a));
    for (time, name) in all.iter().take(PRINTED) {
        println!("{:9.1}  {name}", *time as f64 / 1e3);
    }
}

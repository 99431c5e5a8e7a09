//! The weight gradient: what each weight saw of the images, times the errors.

use std::ops::Range;

use super::{Layout, Read, Tap};
use crate::op::conv2d::Conv2d;
use crate::op::edges::View;
use crate::op::phase::{comb, laid_out};
use crate::sums::{Begun, LANES, Products, Side, add};
use crate::threads;

/// Output channels side by side, weights and places of the error that are taken together: what stays in the nearest cache.
const CHANNELS: usize = 4 * LANES;
const WEIGHTS: usize = 64;
const PLACES: usize = 64;

/// How all weights of a group are summed up.
#[derive(Debug)]
pub(super) struct Gathering {
    layout: Layout,
    ways: Vec<Way>,
}

/// What lies in the lanes.
#[derive(Debug)]
enum Way {
    /// Output channels.
    Channels(Vec<Alike>),
    /// Weights that lie side by side in the image.
    Weights(Direct),
}

/// Weights that are used by the same outputs.
#[derive(Debug)]
struct Alike {
    /// The weights of one output channel.
    weights: Vec<usize>,
    /// Where each lies in the image.
    firsts: Vec<usize>,
    /// The outputs' lines and columns.
    window: [Range<usize>; 2],
    /// Whether none of the weights sees padding.
    whole: bool,
}

/// Weights in runs of neighbours.
#[derive(Debug)]
struct Direct {
    /// The weights of each run.
    runs: Vec<Vec<usize>>,
    /// Where each run lies in the image.
    firsts: Vec<usize>,
}

/// Neighbouring output channels of a group.
struct Panel {
    /// The first of them in their group,
    first: usize,
    /// how many they are,
    channels: usize,
    /// and their errors, place by place,
    errors: Vec<f64>,
    /// each so far from the next.
    stride: usize,
}

/// Some sums.
struct Block<'a> {
    panel: &'a Panel,
    alike: &'a Alike,
    /// The first of its weights.
    from: usize,
    sums: Vec<f64>,
}

impl Gathering {
    pub(super) fn new(conv: &Conv2d) -> Self {
        let layout = Layout { axes: [comb(&conv.rows, View::Output), comb(&conv.columns, View::Output)] };
        let ways = layout.phases().map(|phase| {
            // the kernel places, in the order of what they see
            let mut taps = layout.taps(phase, conv.columns.kernel);
            taps.sort_unstable_by_key(|tap| tap.place);
            let runs: Vec<_> = taps.chunk_by(|a, b| a.place + 1 == b.place).flat_map(|run| run.chunks(LANES)).collect();
            // lanes are channels, whose errors must be laid side by side, or else weights that lie so in the image: whichever takes less for an output
            let (channels, inputs) = (conv.group_outputs(), conv.group_inputs());
            if runs.len() * channels * inputs < taps.len() * channels.div_ceil(LANES) * inputs + channels {
                Way::Weights(Direct::new(conv, &layout, &runs))
            } else {
                Way::Channels(Alike::all(conv, &layout, &taps))
            }
        });
        let ways = ways.collect();
        Self { layout, ways }
    }

    pub(super) fn run(&self, conv: &Conv2d, images: &[f64], errors: &[f64], out: &mut [f64], begun: Begun) {
        let laid = laid_out(images, conv.plane(View::Input).into(), &self.layout.axes, LANES);
        let read = Read { conv, view: View::Weight, a: images, b: errors, laid: &laid, begun };
        let group = (conv.group_outputs() * conv.filter()).max(1);
        for way in &self.ways {
            match way {
                Way::Channels(alike) => {
                    out.chunks_exact_mut(group).enumerate().for_each(|(group, out)| self.by_channels(alike, read, group, out));
                }
                Way::Weights(direct) => threads::share(out.chunks_exact_mut(group).enumerate().collect(), conv.edges(), |groups| {
                    groups.for_each(|(group, out)| self.by_weights(direct, read, group, out));
                }),
            }
        }
    }

    /// What the weights of a group see.
    fn image<'a>(&self, read: Read<'a>, group: usize) -> &'a [f64] {
        &read.laid[group * read.conv.group_inputs() * self.layout.channel()..]
    }

    fn by_channels(&self, alike: &[Alike], read: Read<'_>, group: usize, out: &mut [f64]) {
        let (conv, filter) = (read.conv, read.conv.filter());
        let all = conv.group_outputs();
        // in every panel as many lanes, so the last may have more than channels
        let stride = all.min(CHANNELS).next_multiple_of(LANES);
        let panel = |first| {
            let channels = CHANNELS.min(all - first);
            let errors =
                side_by_side(&read.b[(group * all + first) * conv.area(View::Output)..], conv.area(View::Output), channels, stride);
            Panel { first, channels, errors, stride }
        };
        let panels: Vec<_> = (0..all).step_by(CHANNELS).map(panel).collect();
        let blocks = panels.iter().flat_map(|panel| alike.iter().map(move |alike| (panel, alike)));
        let blocks = blocks.flat_map(|(panel, alike)| (0..alike.weights.len()).step_by(WEIGHTS).map(move |from| (panel, alike, from)));
        let mut blocks: Vec<_> = blocks.map(|(panel, alike, from)| Block::new(panel, alike, from)).collect();
        if read.begun == Begun::Here {
            for block in &mut blocks {
                block.each(filter, |sum, place| *sum = out[place]);
            }
        }
        threads::share(blocks.iter_mut().collect(), conv.edges(), |blocks| {
            blocks.for_each(|block| block.add(self.image(read, group), [conv.columns.output, self.layout.width()], read.begun));
        });
        let taps = conv.area(View::Output);
        for block in &mut blocks {
            if block.alike.whole {
                block.each(filter, |sum, place| out[place] = *sum);
            } else {
                block.each(filter, |sum, place| out[place] = read.exact(group * all * filter + place, taps, out[place], *sum));
            }
        }
    }

    fn by_weights(&self, Direct { runs, firsts }: &Direct, read: Read<'_>, group: usize, out: &mut [f64]) {
        let (conv, filter, stride) = (read.conv, read.conv.filter(), runs.len() * LANES);
        let (channels, plane) = (conv.group_outputs(), conv.area(View::Output));
        let mut sums = vec![0.0; channels * stride];
        if read.begun == Begun::Here {
            for (sums, out) in sums.chunks_exact_mut(stride).zip(out.chunks_exact(filter)) {
                for (sums, run) in sums.chunks_exact_mut(LANES).zip(runs) {
                    sums.iter_mut().zip(run).for_each(|(sum, weight)| *sum = out[*weight]);
                }
            }
        }
        let outputs: Vec<_> = (0..channels).map(|n| (group * channels + n) * plane).collect();
        let [width, apart] = [conv.columns.output, self.layout.width()];
        // not kept with the rest: for every place of an image it would take more than the image
        let places: Vec<_> = (0..conv.rows.output).flat_map(|y| (0..width).map(move |x| (y * width + x, y * apart + x))).collect();
        let rows = Side { numbers: read.b, firsts: &outputs };
        let lanes = Side { numbers: self.image(read, group), firsts };
        add(&Products { rows, lanes, taps: &places, stretch: plane, part: 0..plane }, &mut sums, read.begun);
        for ((n, sums), out) in sums.chunks_exact(stride).enumerate().zip(out.chunks_exact_mut(filter)) {
            for (sums, run) in sums.chunks_exact(LANES).zip(runs) {
                for (sum, &weight) in sums.iter().zip(run) {
                    out[weight] = read.exact((group * channels + n) * filter + weight, plane, out[weight], *sum);
                }
            }
        }
    }
}

/// The taps in an input channel of each group.
fn in_channel<'a>(conv: &Conv2d, layout: &Layout, i: usize, taps: &'a [Tap]) -> impl Iterator<Item = Tap> + use<'a> {
    let (area, channel) = (conv.area(View::Weight), layout.channel());
    taps.iter().map(move |tap| Tap { weight: i * area + tap.weight, place: i * channel + tap.place })
}

impl Alike {
    /// All weights of an output channel, so that none sees padding; where there are few input channels, that would make too many small parts.
    fn all(conv: &Conv2d, layout: &Layout, taps: &[Tap]) -> Vec<Self> {
        let Conv2d { rows, columns, .. } = conv;
        let window = |tap: &Tap| [rows.outputs(tap.weight / columns.kernel), columns.outputs(tap.weight % columns.kernel)];
        let all = [0..rows.output, 0..columns.output];
        let few = conv.group_inputs() < 4;
        let whole = !few || taps.iter().all(|tap| window(tap) == all);
        let mut kinds: Vec<(_, Vec<Tap>)> = Vec::new();
        for tap in taps {
            let window = if few { all.clone() } else { window(tap) };
            match kinds.iter_mut().find(|(of, _)| *of == window) {
                Some((_, taps)) => taps.push(*tap),
                None => kinds.push((window, vec![*tap])),
            }
        }
        let alike = kinds.into_iter().map(|(window, taps)| {
            let taps = (0..conv.group_inputs()).flat_map(|i| in_channel(conv, layout, i, &taps));
            let (weights, firsts) = taps.map(|tap| (tap.weight, tap.place)).unzip();
            Self { weights, firsts, window, whole }
        });
        alike.collect()
    }
}

impl Direct {
    fn new(conv: &Conv2d, layout: &Layout, runs: &[&[Tap]]) -> Self {
        let runs = (0..conv.group_inputs()).flat_map(|i| runs.iter().map(move |run| in_channel(conv, layout, i, run).collect::<Vec<_>>()));
        let (runs, firsts) = runs.map(|run| (run.iter().map(|tap| tap.weight).collect(), run[0].place)).unzip();
        Self { runs, firsts }
    }
}

/// The errors of some channels, place by place, side by side.
fn side_by_side(errors: &[f64], plane: usize, channels: usize, stride: usize) -> Vec<f64> {
    let mut all = vec![0.0; plane * stride];
    // a few places at once, so that what is read and what is written is near
    for (n, places) in all.chunks_mut(LANES * stride).enumerate() {
        for (lane, channel) in errors.chunks_exact(plane).take(channels).enumerate() {
            for (place, error) in places[lane..].iter_mut().step_by(stride).zip(&channel[n * LANES..]) {
                *place = *error;
            }
        }
    }
    all
}

impl<'a> Block<'a> {
    fn new(panel: &'a Panel, alike: &'a Alike, from: usize) -> Self {
        let weights = WEIGHTS.min(alike.weights.len() - from);
        Self { panel, alike, from, sums: vec![0.0; weights * panel.channels.next_multiple_of(LANES)] }
    }

    /// Adds what the weights see, times the errors; so long are the lines of the errors, and of the image.
    fn add(&mut self, image: &[f64], [width, apart]: [usize; 2], begun: Begun) {
        let ([down, across], stride) = (&self.alike.window, self.panel.stride);
        let line = |y: usize| across.clone().map(move |x| (y * apart + x, (y * width + x) * stride));
        // not kept with the rest: for every place of an image, and all that see it differently, it would take more than the image
        let places: Vec<_> = down.clone().flat_map(line).collect();
        let registers: Vec<_> = (0..self.panel.channels).step_by(LANES).collect();
        let weights = self.sums.len() / (registers.len() * LANES);
        let rows = Side { numbers: image, firsts: &self.alike.firsts[self.from..][..weights] };
        let lanes = Side { numbers: &self.panel.errors, firsts: &registers };
        let mut begun = begun;
        for places in places.chunks(PLACES) {
            add(&Products { rows, lanes, taps: places, stretch: places.len(), part: 0..places.len() }, &mut self.sums, begun);
            begun = Begun::Here;
        }
    }

    /// Shows each sum with its place in the group's weights, channel by channel.
    fn each(&mut self, filter: usize, mut show: impl FnMut(&mut f64, usize)) {
        let stride = self.panel.channels.next_multiple_of(LANES);
        for n in 0..self.panel.channels {
            for (sums, weight) in self.sums.chunks_exact_mut(stride).zip(&self.alike.weights[self.from..]) {
                show(&mut sums[n], (self.panel.first + n) * filter + weight);
            }
        }
    }
}

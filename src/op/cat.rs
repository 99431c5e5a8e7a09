//! `cat`: joins the outputs of several layers along the first axis, which is the axis of the channels of images, or of the entries of vectors. It is PyTorch's
//! `torch.cat` along the channels.
//!
//! Images of 2 and of 3 channels, both of H x W, become an image of 5 channels. Every entry is a copy, so its derivative goes back to the entry that was
//! copied.
//!
//! Source: O. Ronneberger, P. Fischer and T. Brox, "U-Net: convolutional networks for biomedical image segmentation" (2015).

use super::copies::{CopyKind, CopySource, copies};
use super::layer::{A, Args, Layer, LayerKind, Reported, Stage, StageSource};
use crate::tensor::{len, shape_words};

/// The row of `cat` in [`LAYERS`](super::LAYERS).
pub const KIND: LayerKind =
    LayerKind { name: "cat", default_name: "cat", keys: &[], rank: None, has_several_inputs: true, activation: None, build };

fn build(args: &mut dyn Args) -> Result<Layer, Reported> {
    // an image without channels is an image of one channel
    let rank = args.inputs().iter().map(|shape| shape.len()).max().unwrap_or(1).max(1);
    let is_image = rank > 2 || args.inputs().iter().any(|shape| shape.len() != rank);
    let with_channels = |shape: &[usize]| if is_image && shape.len() + 1 == rank { [&[1], shape].concat() } else { shape.to_vec() };
    let shapes: Vec<Vec<usize>> = args.inputs().iter().map(|shape| with_channels(shape)).collect();
    let rest = shapes[0].get(1..).unwrap_or_default().to_vec();
    if let Some(other) = shapes.iter().find(|other| other.is_empty() || other.len() != rank || other[1..] != rest) {
        let message = format!(
            "a cat layer puts layers together along their first axis, so the other axes must agree, but it reads {} and {}",
            shape_words(&shapes[0]),
            shape_words(other)
        );
        return Err(args.fail_for_sizes(
            "from",
            message,
            "make their heights and widths equal first, with upsample, a pool or a convolution",
        ));
    }
    let first = shapes.iter().map(|shape| shape[0]).fold(0, usize::saturating_add);
    let shape = [&[first], &rest[..]].concat();
    // the output, and two lists with two numbers for each entry: one list has the source of each entry, the other the copies of each source
    for _ in 0..5 {
        args.claim(&shape)?;
    }
    let sources =
        shapes.iter().enumerate().flat_map(|(slot, shape)| (0..len(shape)).map(move |flat_index| Some(CopySource { slot, flat_index })));
    let inputs: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
    let function = copies(sources.collect(), &inputs, &shape, CopyKind::Cat);
    let reads: Vec<StageSource> = (0..shapes.len()).map(StageSource::Input).collect();
    Ok(Layer { parameters: Vec::new(), stages: vec![Stage::new(A).with_part(function, reads)] })
}

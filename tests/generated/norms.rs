//! Writes random layers that normalise, such as `batch_norm`.

use super::windows::image;
use super::writer::{Writer, divisors};

#[allow(clippy::unnecessary_wraps)] // the type of the rows of LAYERS
pub fn layer_norm(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    writer.begin("layer_norm");
    for key in ["weight", "bias"] {
        if writer.choices.pick(3) > 0 {
            writer.tensor(key, shape);
        }
    }
    if writer.choices.one_in(3) {
        writer.line("eps", "0.1");
    }
    writer.last_activation = None;
    Some(shape.to_vec())
}

/// Writes the keys of a norm with a weight and a bias for each channel.
fn channel_norm(writer: &mut Writer<'_>, channels: usize) {
    for key in ["weight", "bias"] {
        if writer.choices.pick(3) > 0 {
            writer.tensor(key, &[channels]);
        }
    }
    if writer.choices.one_in(3) {
        writer.line("eps", "0.1");
    }
    writer.last_activation = None;
}

pub fn group_norm(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let mut groups = divisors(shape[0]);
    // each group needs two entries, because one entry has no variance
    groups.retain(|groups| groups * 2 <= shape.iter().product());
    if groups.is_empty() {
        return None;
    }
    let groups = writer.choices.choose(&groups);
    writer.begin("group_norm");
    writer.line("num_groups", &groups.to_string());
    channel_norm(writer, shape[0]);
    Some(shape.to_vec())
}

pub fn instance_norm2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let [channels, height, width] = image(shape)?;
    if height * width == 1 {
        return None;
    }
    writer.begin("instance_norm2d");
    channel_norm(writer, channels);
    Some(vec![channels, height, width])
}

/// Writes a batch norm with random statistics for each channel.
fn batch_norm(writer: &mut Writer<'_>, kind: &str, channels: usize) {
    writer.begin(kind);
    writer.tensor("running_mean", &[channels]);
    let variances: Vec<&str> = (0..channels).map(|_| writer.choices.choose(&["1", "0.25", "3", "0.01"])).collect();
    writer.line("running_var", &format!("[{}]", variances.join(", ")));
    channel_norm(writer, channels);
}

pub fn batch_norm1d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    if shape.len() > 2 {
        return None;
    }
    batch_norm(writer, "batch_norm1d", shape[0]);
    Some(shape.to_vec())
}

pub fn batch_norm2d(writer: &mut Writer<'_>, shape: &[usize]) -> Option<Vec<usize>> {
    let [channels, height, width] = image(shape)?;
    batch_norm(writer, "batch_norm2d", channels);
    Some(vec![channels, height, width])
}

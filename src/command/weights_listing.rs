//! Lists the tensors in a file (.npy, .npz, .safetensors, .pt or .pth), if SCENARIO is such a file.

use std::path::Path;

use anyhow::{anyhow, bail};

use super::proposal::proposal;
use super::read::{display_name, read_file};
use crate::tensor::shape_text;
use crate::text::{align_left, counted, line, sentence, width};
use crate::weights::{self, Archive, MAX_BYTES};

/// The largest number of tensors in the list.
const MAX_LISTED: usize = 1000;

/// The last line of a listing without a proposal. It shows how a scenario uses the tensors.
const USAGE_HINT: &str = "to use one in a scenario, write weight = { file = \"…\", key = \"…\" }; see docs/pytorch.md";

/// `true` if a path ends like a file with tensors.
pub(super) fn is_weights_path(path: &Path) -> bool {
    path.to_str().is_some_and(|path| weights::opener(path).is_ok())
}

/// Lists the names, shapes and types of the tensors in a file, one on each line. With `proposes`, proposes a scenario, if the names and shapes fit one. Without
/// a proposal, explains how a scenario uses the tensors.
///
/// # Errors
/// If the file cannot be read, or has no tensors.
pub(super) fn listing(path: &Path, proposes: bool) -> anyhow::Result<String> {
    let name = display_name(path);
    let unreadable = |wrong: weights::WeightsError| anyhow!("{name} cannot be read: {}", with_help(&wrong));
    let file = path.file_name().and_then(|file| file.to_str()).unwrap_or("…");
    let archive = weights::open(file, read_file(path, MAX_BYTES)?).map_err(unreadable)?;
    if archive.names().is_some_and(|names| names.list().is_empty()) {
        bail!("{name} has no tensors: save them with np.savez(\"model.npz\", name=array) or torch.save(model.state_dict(), \"model.pt\")");
    }
    let names: Vec<String> = match archive.names() {
        Some(names) => names.list().iter().map(display_name).collect(),
        None => vec!["(one tensor without a name)".to_owned()],
    };
    let mut lines = vec![format!("{name} is not a scenario; it has {}:", counted(names.len(), "tensor"))];
    let widest = names.iter().take(MAX_LISTED).map(|name| width(name)).max().unwrap_or(0);
    for (position, name) in names.iter().enumerate().take(MAX_LISTED) {
        let description = match archive.layout(position) {
            Ok(layout) if layout.shape().is_empty() => format!("a single number  {}", layout.type_name()),
            Ok(layout) => format!("{}  {}", shape_text(layout.shape()), layout.type_name()),
            Err(wrong) => format!("cannot be read: {}", with_help(&wrong)),
        };
        lines.push(format!("  {}  {description}", align_left(name, widest)));
    }
    if names.len() > MAX_LISTED {
        lines.push(format!("  and {} more", names.len() - MAX_LISTED));
    }
    if !proposes {
        lines.push(USAGE_HINT.to_owned());
        return Ok(lines.join("\n"));
    }
    lines.push(String::new());
    match propose(path, &*archive) {
        Ok(text) => {
            lines.push(
                "Their names and shapes fit this scenario. Save it as a .toml file in the same folder, and correct each line that has a comment:"
                    .to_owned(),
            );
            lines.push(String::new());
            lines.extend(text.lines().map(line));
        }
        Err(why) => {
            lines.push(format!("Their names and shapes do not fit a chain of layers: {}", sentence(&why)));
            lines.push(USAGE_HINT.to_owned());
        }
    }
    Ok(lines.join("\n"))
}

/// Returns an error and its help as one text.
fn with_help(wrong: &weights::WeightsError) -> String {
    let message = sentence(&wrong.message);
    if wrong.help.is_empty() { message } else { format!("{message}; {}", sentence(&wrong.help)) }
}

/// Returns a scenario that uses the tensors of a file, or the reason why there is none.
fn propose(path: &Path, archive: &dyn Archive) -> Result<String, String> {
    let Some(names) = archive.names() else { return Err("the tensor has no name".to_owned()) };
    let mut tensors: Vec<(String, Vec<usize>)> = Vec::new();
    for (number, name) in names.list().iter().enumerate().take(MAX_LISTED) {
        let layout = archive.layout(number).map_err(|_| format!("{name} cannot be read"))?;
        tensors.push((name.clone(), layout.shape().to_vec()));
    }
    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or("…");
    proposal(file, &tensors)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::files::Folder;
    use crate::scenario::{Limits, Source, read_with_files};

    /// The listing of a .safetensors file with tensors of one number each.
    fn listing_of(names: &[&str]) -> String {
        let tensor = |(n, name): (usize, &&str)| {
            format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[{},{}]}}", 4 * n, 4 * n + 4)
        };
        let header = format!("{{{}}}", names.iter().enumerate().map(tensor).collect::<Vec<_>>().join(","));
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.bytes());
        bytes.resize(bytes.len() + 4 * names.len(), 0);
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("weights.safetensors");
        std::fs::write(&path, bytes).expect("a file");
        let proposes = false;
        listing(&path, proposes).expect("a listing")
    }

    /// Every proposal is a valid scenario if it is in the folder of its file.
    #[test]
    fn a_proposal_can_be_opened_as_it_is() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        for file in
            ["invalid/weights/state.pt", "valid/weights/torch-checkpoint.pt", "valid/weights/net.npz", "valid/weights/net.safetensors"]
        {
            let path = folder.join(file);
            let proposes = true;
            let listing = listing(&path, proposes).expect("a listing");
            let (_, text) = listing.split_once("\n\ntitle = ").unwrap_or_else(|| panic!("{file}: {listing}"));
            let source = Source { name: "proposal".into(), path_shown: "proposal.toml".into(), text: format!("title = {text}") };
            let scenario = read_with_files(source, Limits::default(), Arc::new(Folder::of(&path).expect("the folder")));
            assert!(scenario.is_ok(), "{file}: {}\n{text}", scenario.expect_err("faults").render(false));
        }
    }

    #[test]
    fn names_of_any_width_are_aligned() {
        assert!(listing_of(&["b", "中中"]).contains("\n  b     1  f32\n  中中  1  f32\n"), "{}", listing_of(&["b", "中中"]));
        let long = "a".repeat(70_000);
        assert!(listing_of(&["b", &long]).contains(&format!("\n  {long}  1  f32\n")));
    }
}

//! `gradstep new`: prints a commented scenario to start from, a template or a bundled one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::Parser;

use super::options::GlobalOptions;
use super::read::display_name;
use super::templates::{self, TEMPLATES};
use super::{Invocation, bundled, open_output, source};

/// Print a commented scenario to start from: `gradstep new classifier > mine.toml`.
///
/// A template teaches the format of scenario files. With the name of a bundled scenario, prints that scenario. `gradstep new pytorch > to_gradstep.py`
/// prints a Python script that exports PyTorch models.
#[derive(Debug, Parser)]
pub(super) struct NewCommand {
    /// A template (graph, fully-connected, convolution, classifier or training), the name of a bundled scenario, or pytorch
    kind: String,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Invocation for NewCommand {
    fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    fn run(&self, _: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let text = text(&self.kind)?;
        if let Some(file) = self.output().filter(|file| file.exists()) {
            bail!("{} exists, and `new` does not overwrite files; write another name", display_name(file));
        }
        let mut to = open_output(self.output(), self.kind.as_ref(), &[])?;
        // the text is a part of the program, so it need not be escaped
        std::io::Write::write_all(to.raw(), text.as_bytes())?;
        to.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The name of the script that exports PyTorch models, given in place of a kind of scenario.
const EXPORTER_KIND: &str = "pytorch";
const EXPORTER: &str = include_str!("../../docs/to_gradstep.py");

/// Returns the text of a template, of the exporter, or of a bundled scenario (whose name can be shortened).
fn text(kind: &str) -> anyhow::Result<&'static str> {
    if kind == EXPORTER_KIND {
        return Ok(EXPORTER);
    }
    if let Some(template) = TEMPLATES.iter().find(|template| template.kind == kind) {
        return Ok(template.text);
    }
    if let Some(bundled) = bundled::find(kind) {
        return Ok(bundled.text);
    }
    if let Some(found) = source::find_by_prefix(kind.as_ref()) {
        return Ok(found?.0.text);
    }
    let (kinds, suggestion) = (templates::kinds().collect::<Vec<_>>().join(", "), templates::clause(kind));
    let name = display_name(kind);
    Err(anyhow!(
        "there is no template and no bundled scenario {name} (the templates are {kinds}; {EXPORTER_KIND} is the exporter of PyTorch's models){suggestion}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exporter_is_the_file_of_the_docs() {
        let printed = text("pytorch").expect("the exporter");
        assert!(["save", "gradients", "compare"].iter().all(|name| printed.contains(&format!("\ndef {name}("))));
        assert!(text("torch").is_err_and(|error| error.to_string().contains("gradstep new pytorch")));
    }

    #[test]
    fn a_bundled_name_can_be_shortened() {
        assert_eq!(text("mazur").expect("a scenario"), bundled::find("mazur-2-2-2").expect("bundled").text);
        assert!(text("clasifier").is_err_and(|error| error.to_string().contains("classifier")));
        assert!(text("figure").is_err());
        let error = text("cnn").expect_err("no template").to_string();
        assert!(
            error.ends_with(
                "(the templates are graph, fully-connected, convolution, classifier, training; pytorch is the exporter of PyTorch's models); \
                 did you mean classifier?"
            ),
            "{error}"
        );
    }
}

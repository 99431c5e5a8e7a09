//! `gradstep show`: one frame of the stepper, without a terminal.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use ratatui::buffer::Buffer;

use super::driver::{Done, Driver};
use super::format::{self, Format, Sink};
use super::look::Global;
use super::run::{address, misplaced};
use super::source::ScenarioLoader;
use super::{Invocation, offers, opened, output_to};
use crate::app::{Document, State};
use crate::keys;
use crate::session::Event;
use crate::ui::{RenderOptions, export, svg};

/// The functions of a format.
#[derive(Debug)]
struct FrameWriter {
    /// Returns the look of the frame, from whether it goes to stdout.
    look: fn(&Global, bool) -> RenderOptions,
    /// Writes the frame.
    write: fn(&Buffer, &RenderOptions, &mut Sink) -> io::Result<()>,
}

static FORMATS: &[Format<FrameWriter>] = &[
    Format {
        name: "text",
        help: "Characters alone",
        writer: FrameWriter { look: |global, _| global.plain(), write: |frame, _, to| to.text(&export::text(frame)) },
    },
    Format {
        name: "ansi",
        help: "Characters with their colours, as terminals have them",
        writer: FrameWriter { look: Global::exported, write: |frame, _, to| to.raw().write_all(export::ansi(frame).as_bytes()) },
    },
    Format {
        name: "svg",
        help: "A picture",
        writer: FrameWriter {
            look: |global, _| global.drawn(),
            write: |frame, look, to| to.raw().write_all(svg::svg(frame, look.theme.background).as_bytes()),
        },
    },
];

/// Print one frame of the stepper; it needs no terminal.
#[derive(Debug, Parser)]
#[command(name = "show")]
pub(super) struct ShowCommand {
    /// A path, a bundled scenario's name, or - for the standard input
    scenario: OsString,
    /// The address to show [default: where the scenario starts]
    #[arg(long, value_name = "ADDRESS", allow_negative_numbers = true)]
    at: Option<String>,
    /// Columns and rows of the frame, from 1x1 to 1000x1000
    #[arg(long, value_name = "SIZE", default_value = "120x40", value_parser = size)]
    size: (u16, u16),
    /// How to print it
    #[arg(long, default_value = "text", value_parser = format::parser(FORMATS, &[]))]
    format: &'static Format<FrameWriter>,
    /// Keys to play first, in vim's notation: ll<End>:57<Enter>
    #[arg(long, value_name = "KEYS", allow_hyphen_values = true)]
    keys: Option<String>,
    /// Write to a file
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Columns and rows.
fn size(text: &str) -> Result<(u16, u16), String> {
    let side = |text: &str| text.parse().ok().filter(|n| (1..=1000).contains(n) && text.bytes().all(|b| b.is_ascii_digit()));
    let sides = text.split_once('x').and_then(|(columns, rows)| Some((side(columns)?, side(rows)?)));
    sides.ok_or_else(|| "a size is columns x rows, from 1x1 to 1000x1000, such as 120x40".to_owned())
}

impl Invocation for ShowCommand {
    fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let keys = keys::parse(self.keys.as_deref().unwrap_or("")).map_err(anyhow::Error::msg).context("--keys")?;
        let scenarios = ScenarioLoader { limits: global.limits(), files: true };
        let scenario = scenarios.scenario(&self.scenario)?;
        let (document, at) = match self.at.as_deref() {
            None => (Document::new(scenario), None),
            Some(text) => {
                let (document, step) = opened(scenario, &address(text)?)?.map_err(|why| misplaced(text, &why))?;
                (document, Some(step))
            }
        };
        let scenario = Arc::clone(&document.scenario);
        let mut state = State::picker(offers::all());
        // it alone keeps the iteration, which goes when another one comes
        state.open(Arc::new(document), at);
        let mut driver = Driver::new(state, scenarios);
        driver.seen_on(self.size);
        driver.arrive()?;
        for key in keys {
            if driver.event(&Event::Key(key), Duration::ZERO) == Done::Quit {
                break;
            }
            driver.arrive()?;
        }
        let FrameWriter { look, write } = self.format.writer;
        let look = look(global, self.output.is_none());
        let frame = driver.frame(&look, self.size);
        let mut to = output_to(self.output(), &self.scenario, &scenario.files)?;
        write(&frame, &look, &mut to)?;
        to.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

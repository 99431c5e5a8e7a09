//! `gradstep show`: prints one frame of the stepper, without a terminal.

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
use super::format::{self, OutputFormat, Sink};
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
    /// Returns the render options; the second argument is `true` if the frame goes to stdout.
    look: fn(&Global, bool) -> RenderOptions,
    /// Writes the frame.
    write: fn(&Buffer, &RenderOptions, &mut Sink) -> io::Result<()>,
}

static FORMATS: &[OutputFormat<FrameWriter>] = &[
    OutputFormat {
        name: "text",
        help: "Plain text",
        writer: FrameWriter { look: |global, _| global.plain(), write: |frame, _, to| to.text(&export::text(frame)) },
    },
    OutputFormat {
        name: "ansi",
        help: "Text with the escape sequences of its colours",
        writer: FrameWriter { look: Global::exported, write: |frame, _, to| to.raw().write_all(export::ansi(frame).as_bytes()) },
    },
    OutputFormat {
        name: "svg",
        help: "An SVG image",
        writer: FrameWriter {
            look: |global, _| global.drawn(),
            write: |frame, look, to| to.raw().write_all(svg::svg(frame, look.theme.background).as_bytes()),
        },
    },
];

/// Print one frame of the stepper, without a terminal.
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
    /// The format of the output
    #[arg(long, default_value = "text", value_parser = format::parser(FORMATS, &[]))]
    format: &'static OutputFormat<FrameWriter>,
    /// Keys to press first, in vim's notation: ll<End>:57<Enter>
    #[arg(long, value_name = "KEYS", allow_hyphen_values = true)]
    keys: Option<String>,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Parses columns and rows: `120x40`.
fn size(text: &str) -> Result<(u16, u16), String> {
    let side = |text: &str| text.parse().ok().filter(|n| (1..=1000).contains(n) && text.bytes().all(|b| b.is_ascii_digit()));
    let sides = text.split_once('x').and_then(|(columns, rows)| Some((side(columns)?, side(rows)?)));
    sides.ok_or_else(|| "write columns x rows, from 1x1 to 1000x1000, such as 120x40".to_owned())
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
        // the state must be the only owner of the iteration, so that its memory is free once another one is computed
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

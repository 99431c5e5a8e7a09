//! `gradstep show`: prints one frame of the stepper. It needs no terminal.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use ratatui::buffer::Buffer;

use super::compare::{MineOptions, compare_with_progress};
use super::driver::{Driver, Effect};
use super::format::{self, CommandOutput, OutputFormat};
use super::open::{address_error, parse_address};
use super::options::{DrawOptions, GlobalOptions};
use super::source::ScenarioLoader;
use super::user_settings::UserSettings;
use super::{Invocation, document_at, open_output, picker_entries};
use crate::app::{CompareOptions, Document, State};
use crate::keys;
use crate::session::Event;
use crate::ui::{RenderOptions, export, svg};

/// The functions of a format.
#[derive(Debug)]
struct FrameWriter {
    /// Returns the render options. The second argument is `true` if the frame is written to stdout.
    options: fn(&GlobalOptions, bool) -> RenderOptions,
    /// Writes the frame.
    write: fn(&Buffer, &RenderOptions, &mut CommandOutput) -> io::Result<()>,
}

static FORMATS: &[OutputFormat<FrameWriter>] = &[
    OutputFormat {
        name: "text",
        help: "Plain text",
        writer: FrameWriter { options: |global, _| global.for_plain_text(), write: |frame, _, to| to.text(&export::text(frame)) },
    },
    OutputFormat {
        name: "ansi",
        help: "Text with the escape sequences of its colours",
        writer: FrameWriter {
            options: GlobalOptions::for_ansi_text,
            write: |frame, _, to| to.raw().write_all(export::ansi(frame).as_bytes()),
        },
    },
    OutputFormat {
        name: "svg",
        help: "An SVG image",
        writer: FrameWriter {
            options: |global, _| global.for_svg(),
            write: |frame, options, to| to.raw().write_all(svg::svg(frame, options.theme.background).as_bytes()),
        },
    },
];

/// Print one frame of the stepper, without a terminal.
#[derive(Debug, Parser)]
pub(super) struct ShowCommand {
    /// A path, a bundled scenario's name, or - for the standard input
    scenario: OsString,
    /// The address to show [default: the scenario's `start` if it has one, otherwise the first step]
    #[arg(long, value_name = "ADDRESS", allow_negative_numbers = true)]
    at: Option<String>,
    /// Columns and rows of the frame, from 1x1 to 1000x1000
    #[arg(long, value_name = "SIZE", default_value = "120x40", value_parser = parse_size)]
    size: (u16, u16),
    /// The format of the output
    #[arg(long, default_value = "text", value_parser = format::parser(FORMATS))]
    format: &'static OutputFormat<FrameWriter>,
    /// Keys to press first, in vim's notation: ll<End>:57<Enter>
    #[arg(long, value_name = "KEYS", allow_hyphen_values = true)]
    keys: Option<String>,
    // the user's own gradients: the options --mine and --tensor
    #[command(flatten)]
    mine: MineOptions,
    #[command(flatten)]
    draw: DrawOptions,
    /// Write to this file instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Parses columns and rows: `120x40`.
fn parse_size(text: &str) -> Result<(u16, u16), String> {
    let side = |text: &str| text.parse().ok().filter(|n| (1..=1000).contains(n) && text.bytes().all(|b| b.is_ascii_digit()));
    let sides = text.split_once('x').and_then(|(columns, rows)| Some((side(columns)?, side(rows)?)));
    sides.ok_or_else(|| "write columns x rows, from 1x1 to 1000x1000, such as 120x40".to_owned())
}

impl Invocation for ShowCommand {
    fn output(&self) -> Option<&Path> {
        self.output.as_deref()
    }

    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let keys = keys::parse(self.keys.as_deref().unwrap_or("")).map_err(anyhow::Error::msg).context("--keys")?;
        let loader = ScenarioLoader { limits: global.limits(), opens_files: true };
        let scenario = loader.load(&self.scenario)?;
        let address = self.at.as_deref().map(|text| Ok::<_, anyhow::Error>((text, parse_address(text)?))).transpose()?;
        let (document, at) = match &address {
            None => (Document::new(scenario), None),
            Some((text, address)) => {
                let (document, step) = document_at(scenario, address)?.map_err(|why| address_error(text, &why))?;
                (document, Some(step))
            }
        };
        let document = Arc::new(document);
        let comparison = self.mine.read()?.map(|file| compare_with_progress(&document, file, CompareOptions::default(), |_| Ok(())));
        let comparison = comparison.transpose()?;
        let scenario = Arc::clone(&document.scenario);
        // only a key can open the picker
        let mut state = State::picker(if keys.is_empty() { Vec::new() } else { picker_entries::all() });
        self.draw.apply(&UserSettings::default(), &mut state.settings);
        // moves the document into the state, which is then its only owner and can free an iteration before it computes another one
        state.open(document, at);
        // no step computes an input or a parameter; for its address, the cursor goes to it
        if let Some((text, address)) =
            address.filter(|(_, address)| state.document().is_some_and(|document| document.given_entry(address).is_some()))
        {
            state.go_to(address).map_err(|why| address_error(text, &why))?;
        }
        if let Some(comparison) = comparison {
            state.compare_gradients(Arc::new(comparison));
        }
        let mut driver = Driver::new(state, loader);
        driver.set_screen_size(self.size);
        driver.finish_all()?;
        for key in keys {
            if driver.apply(&Event::Key(key), Duration::ZERO) == Effect::Quit {
                break;
            }
            driver.finish_all()?;
        }
        let FrameWriter { options, write } = self.format.writer;
        let options = options(global, self.output.is_none());
        let frame = driver.frame(&options, self.size);
        let mut to = open_output(self.output(), &self.scenario, &scenario.files)?;
        write(&frame, &options, &mut to)?;
        to.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

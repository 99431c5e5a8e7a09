//! `gradstep show`: one frame of the stepper, without a terminal.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;

use super::driver::{Done, Driver};
use super::look::Global;
use super::run::{address, misplaced};
use super::source::Shelf;
use super::{offers, opened, output_to, promised};
use crate::app::{Lesson, State};
use crate::keys;
use crate::session::Event;
use crate::ui::{export, svg};

#[derive(Clone, Copy, Debug)]
enum Format {
    Text,
    Ansi,
    Svg,
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A path, a bundled scenario's name, or - for the standard input
    scenario: OsString,
    /// The address to show [default: where the scenario starts]
    #[arg(long, value_name = "ADDRESS", allow_negative_numbers = true)]
    at: Option<String>,
    /// Columns and rows of the frame, from 1x1 to 1000x1000
    #[arg(long, value_name = "SIZE", default_value = "120x40", value_parser = size)]
    size: (u16, u16),
    /// How to print it
    #[arg(long, default_value = "text",
        value_parser = promised::format(&[("text", Format::Text), ("ansi", Format::Ansi), ("svg", Format::Svg)], &[]))]
    format: Format,
    /// Keys to play first, in vim's notation: ll<End>:57<Enter>
    #[arg(long, value_name = "KEYS", allow_hyphen_values = true)]
    keys: Option<String>,
    /// Write to a file
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

/// Columns and rows.
fn size(text: &str) -> Result<(u16, u16), String> {
    let side = |text: &str| text.parse().ok().filter(|n| (1..=1000).contains(n) && text.bytes().all(|b| b.is_ascii_digit()));
    let sides = text.split_once('x').and_then(|(columns, rows)| Some((side(columns)?, side(rows)?)));
    sides.ok_or_else(|| "a size is columns x rows, from 1x1 to 1000x1000, such as 120x40".to_owned())
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    let keys = keys::parse(arguments.keys.as_deref().unwrap_or("")).map_err(anyhow::Error::msg).context("--keys")?;
    let shelf = Shelf { limits: global.limits(), files: true };
    let scenario = shelf.scenario(&arguments.scenario)?;
    let (lesson, at) = match arguments.at.as_deref() {
        None => (Lesson::new(scenario), None),
        Some(text) => {
            let (lesson, step) = opened(scenario, &address(text)?)?.map_err(|why| misplaced(text, &why))?;
            (lesson, Some(step))
        }
    };
    let scenario = Arc::clone(&lesson.scenario);
    let mut state = State::picker(offers::all());
    // it alone keeps the iteration, which goes when another one comes
    state.open(Arc::new(lesson), at);
    let mut driver = Driver::new(state, shelf);
    driver.seen_on(arguments.size);
    driver.arrive()?;
    for key in keys {
        if driver.event(&Event::Key(key), Duration::ZERO) == Done::Quit {
            break;
        }
        driver.arrive()?;
    }
    let look = match arguments.format {
        Format::Text => global.plain(),
        Format::Ansi => global.exported(arguments.output.is_none()),
        Format::Svg => global.drawn(),
    };
    let frame = driver.frame(&look, arguments.size);
    let mut to = output_to(arguments.output.as_ref(), &arguments.scenario, &scenario.files)?;
    match arguments.format {
        Format::Text => to.text(&export::text(&frame))?,
        Format::Ansi => to.raw().write_all(export::ansi(&frame).as_bytes())?,
        Format::Svg => to.raw().write_all(svg::svg(&frame, look.theme.background).as_bytes())?,
    }
    to.finish()?;
    Ok(ExitCode::SUCCESS)
}

//! `gradstep` and `gradstep SCENARIO`: open the picker or the stepper.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::Parser;

use super::Invocation;
use super::driver::Driver;
use super::holds;
use super::live::Live;
use super::look::Global;
use super::offers;
use super::read::shown;
use super::source::{self, ScenarioLoader, recorded};
use crate::app::{Document, State, Stepper, Visit};
use crate::output;
use crate::session::{Header, Recorder};
use crate::step::{Address, AddressError};
use crate::terminal::{self, Options};

/// Open the stepper on a scenario.
#[derive(Debug, Parser)]
#[command(name = OPEN, hide = true, override_usage = "gradstep [OPTIONS] [SCENARIO] [--at ADDRESS] [--record FILE]")]
pub(super) struct OpenCommand {
    /// A path, a bundled scenario's name, or - for the standard input
    scenario: Option<OsString>,
    /// Open the scenario at this address
    #[arg(long, value_name = "ADDRESS", allow_negative_numbers = true)]
    at: Option<String>,
    /// Record the session in this file; `gradstep replay` plays it
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
}

/// The name of the hidden command that is inserted before a scenario.
pub(super) const OPEN: &str = "open";

/// Opens the picker.
pub(super) fn pick(global: &Global) -> anyhow::Result<ExitCode> {
    let scenarios = ScenarioLoader { limits: global.limits(), files: true };
    start(Driver::new(State::picker(offers::all()), scenarios), global, None)
}

impl Invocation for OpenCommand {
    fn run(&self, global: &Global) -> anyhow::Result<ExitCode> {
        let Some(scenario) = &self.scenario else {
            bail!("--at and --record need a scenario, as in `gradstep SCENARIO --record FILE`; `gradstep list` shows the bundled ones");
        };
        if holds::is_weights(Path::new(scenario)) && Path::new(scenario).exists() {
            let mut to = output::stdout();
            writeln!(to, "{}", holds::listing(Path::new(scenario))?)?;
            to.finish()?;
            return Ok(ExitCode::SUCCESS);
        }
        // a recording must replay on any machine, so its picker offers no files
        let scenarios = ScenarioLoader { limits: global.limits(), files: self.record.is_none() };
        let (scenario, carried) = match &self.record {
            Some(_) => recorded(scenario, scenarios.limits)?,
            None => (scenarios.scenario(scenario)?, BTreeMap::new()),
        };
        let at = self.at.as_deref().map(|text| Ok::<_, anyhow::Error>((text, address(text)?))).transpose()?;
        let document = Arc::new(Document::new(scenario));
        let scenario = Arc::clone(&document.scenario);
        let mut state = State::picker(if scenarios.files { offers::all() } else { offers::bundled() });
        // the state must be the only owner of the iteration, so that its memory is free once another one is computed
        state.open(document, at.is_some().then_some(1));
        let to = at.as_ref().map(|(_, at)| at.clone()).or_else(|| scenario.start.clone());
        if let Some((text, at)) = at {
            state.go_to(at).map_err(|why| misplaced(text, &why))?;
            if let Some(message) = state.message.take_if(|message| message.is_error) {
                return Err(misplaced(text, &message.text));
            }
        }
        if let Some((_, note)) = self.scenario.as_deref().and_then(source::by_prefix).and_then(Result::ok) {
            state.say(note, false);
        }
        let recorder = match &self.record {
            Some(path) => {
                let size = terminal::size()?;
                let place = state.stepper().map_or(Visit { iteration: 1, step: 1 }, Stepper::visit);
                let header = Header::new(scenario.name.clone(), scenario.text.to_string(), place, size);
                let header = header.with_files(carried).on_the_way(to.filter(|_| state.job().is_some()));
                Some(record(path, &header)?)
            }
            None => None,
        };
        start(Driver::new(state, scenarios), global, recorder)
    }
}

/// Parses the address of `--at`.
pub(super) fn address(text: &str) -> anyhow::Result<Address> {
    text.parse().map_err(|why: AddressError| misplaced(text, &why.to_string()))
}

/// The error for an address of `--at` that does not exist.
pub(super) fn misplaced(text: &str, why: &str) -> anyhow::Error {
    anyhow!("--at {}: {why}", shown(text))
}

/// Begins a recording. An existing file is never overwritten.
fn record(path: &Path, header: &Header) -> anyhow::Result<Recorder<Box<dyn Write>>> {
    let file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{} exists, and --record overwrites no file; write another name", shown(path))
        }
        file => file.with_context(|| format!("cannot write {}", shown(path)))?,
    };
    Recorder::new(Box::new(file) as Box<dyn Write>, header).context("cannot write the recording")
}

fn start(driver: Driver, global: &Global, recorder: Option<Recorder<Box<dyn Write>>>) -> anyhow::Result<ExitCode> {
    terminal::run(&mut Live::new(driver, global.look(), recorder), &Options { mouse: !global.no_mouse })?;
    Ok(ExitCode::SUCCESS)
}

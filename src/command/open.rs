//! `gradstep` opens the picker, a list of scenarios; `gradstep SCENARIO` opens the stepper.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Parser;

use super::Invocation;
use super::compare::{MineOptions, compare_with_progress};
use super::driver::Driver;
use super::live::TerminalStepper;
use super::options::{DrawOptions, GlobalOptions};
use super::picker_entries;
use super::plain;
use super::read::display_name;
use super::source::{self, MAX_RECORDED_BYTES, ScenarioLoader, read_for_recording};
use super::user_settings::{self, UserSettings};
use super::weights_listing;
use crate::app::{CompareOptions, Document, GradientComparison, Setting, State};
use crate::keys::{Code, Key};
use crate::output;
use crate::session::{Event, Header, Recorder};
use crate::step::{Address, AddressError};
use crate::terminal::{self, TerminalOptions};

/// Open the stepper on a scenario.
#[derive(Debug, Parser)]
#[command(
    hide = true,
    override_usage = "gradstep [OPTIONS] [SCENARIO] [--at ADDRESS] [--mine MINE [--tensor NAME]] [--record FILE] [--index N] [--digits N] [--zoom] [--plain]"
)]
pub(super) struct OpenCommand {
    /// A path, a bundled scenario's name, or - for the standard input
    scenario: Option<OsString>,
    /// Open the scenario at this address
    #[arg(long, value_name = "ADDRESS", allow_negative_numbers = true)]
    at: Option<String>,
    /// Record the session in this file; `gradstep replay` plays it
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    #[command(flatten)]
    mine: MineOptions,
    #[command(flatten)]
    draw: DrawOptions,
    /// Read lines of keys and commands, and answer in sentences: for screen readers, dumb terminals and scripts
    #[arg(long)]
    plain: bool,
}

/// The bytes of the files in a recording, by their paths.
type RecordedFiles = BTreeMap<String, Vec<u8>>;

/// The name of the hidden command that is inserted before SCENARIO.
pub(super) const OPEN: &str = "open";

/// The size of the screen in a recording of the plain mode, which has no screen: the default size of `show`.
const SIZE_OF_PLAIN: (u16, u16) = (120, 40);

/// Opens the picker.
pub(super) fn open_picker(global: &GlobalOptions) -> anyhow::Result<ExitCode> {
    let loader = ScenarioLoader { limits: global.limits(), opens_files: true };
    let (user, fault) = read_settings(global)?;
    let mut state = State::picker(picker_entries::all_with_recent());
    DrawOptions::default().apply(&user, &mut state.settings);
    say_fault(&mut state, fault);
    let recorder = None;
    run_stepper(Driver::new(state, loader), &user, global, recorder)
}

impl Invocation for OpenCommand {
    fn run(&self, global: &GlobalOptions) -> anyhow::Result<ExitCode> {
        let Some(typed) = &self.scenario else {
            if self.plain && self.at.is_none() && self.record.is_none() && self.mine.mine.is_none() {
                let mut state = State::picker(picker_entries::all());
                self.draw.apply(&UserSettings::default(), &mut state.settings);
                return plain::run(Driver::new(state, ScenarioLoader { limits: global.limits(), opens_files: true }), global, None);
            }
            bail!("these options need a scenario, as in `gradstep SCENARIO --record FILE`; `gradstep list` shows the bundled ones");
        };
        if weights_listing::is_weights_path(Path::new(typed)) && Path::new(typed).exists() {
            let mut to = output::stdout();
            let proposes = true;
            writeln!(to, "{}", weights_listing::listing(Path::new(typed), proposes)?)?;
            to.finish()?;
            return Ok(ExitCode::SUCCESS);
        }
        // a recording must replay on any machine, so its picker lists only bundled scenarios
        let loader = ScenarioLoader { limits: global.limits(), opens_files: self.record.is_none() };
        let (scenario, recorded_files) = match &self.record {
            Some(_) => read_for_recording(typed, loader.limits)?,
            None => (loader.load(typed)?, BTreeMap::new()),
        };
        let at = match self.at.as_deref() {
            Some(text) => Some((text, parse_address(text)?)),
            None => None,
        };
        let document = Arc::new(Document::new(scenario));
        let scenario = Arc::clone(&document.scenario);
        let (comparison, recorded_mine) = self.compare(&document)?;
        let mut state = State::picker(match loader.opens_files {
            // scripts choose rows by number, so the list must not have recent files
            true if self.plain => picker_entries::all(),
            true => picker_entries::all_with_recent(),
            false => picker_entries::bundled(),
        });
        let (user, fault) = if self.plain { Default::default() } else { read_settings(global)? };
        self.draw.apply(&user, &mut state.settings);
        // the document is moved into the state, not cloned, so that the state can free an iteration before it computes another one. With --at, the state opens
        // at step 1, and `go_to` below goes to the address; without, it opens at the scenario's start
        state.open(document, at.is_some().then_some(1));
        // the address at which the stepper opens. The recording needs it if a job is still on its way there
        let goal = at.as_ref().map(|(_, address)| address.clone()).or_else(|| scenario.start.clone());
        if let Some((text, address)) = at {
            state.go_to(address).map_err(|why| address_error(text, &why))?;
            if let Some(message) = state.message.take_if(|message| message.is_error) {
                return Err(address_error(text, &message.text));
            }
        }
        // the user typed only the beginning of a bundled scenario's name
        if let Some((_, note)) = self.scenario.as_deref().and_then(source::find_by_prefix).and_then(Result::ok) {
            let is_error = false;
            state.say(note, is_error);
        }
        if let Some(comparison) = comparison {
            state.compare_gradients(Arc::new(comparison));
        }
        let recorder = self.begin_recording(&state, (recorded_files, recorded_mine), goal)?;
        if self.plain {
            return plain::run(Driver::new(state, loader), global, recorder);
        }
        if recorder.is_none() {
            // a replay would not show a message about the settings file, so a recording does not have it either
            say_fault(&mut state, fault);
        }
        run_stepper(Driver::new(state, loader), &user, global, recorder)
    }
}

impl OpenCommand {
    /// Compares the user's gradients in the file of `--mine` with the scenario's. Returns the comparison and, for a recording, the file.
    fn compare(&self, document: &Arc<Document>) -> anyhow::Result<(Option<GradientComparison>, RecordedFiles)> {
        let Some(file) = self.mine.read()? else { return Ok((None, BTreeMap::new())) };
        let mut recorded = BTreeMap::new();
        if self.record.is_some() {
            if file.bytes.len() > MAX_RECORDED_BYTES {
                bail!(
                    "a recording contains the file of --mine, and {} is larger than {} MiB",
                    display_name(&file.path),
                    MAX_RECORDED_BYTES >> 20
                );
            }
            recorded.insert(file.as_typed(), file.bytes.clone());
        }
        Ok((Some(compare_with_progress(document, file, CompareOptions::default(), |_| Ok(()))?), recorded))
    }

    /// Begins the recording of `--record`. Without this option, returns `None`.
    fn begin_recording(
        &self,
        state: &State,
        (files, mine): (RecordedFiles, RecordedFiles),
        goal: Option<Address>,
    ) -> anyhow::Result<Option<Recorder<Box<dyn Write>>>> {
        let (Some(path), Some(stepper)) = (&self.record, state.stepper()) else { return Ok(None) };
        let scenario = &stepper.document.scenario;
        let size = if self.plain { SIZE_OF_PLAIN } else { terminal::size()? };
        let header = Header::new(scenario.name.clone(), scenario.text.to_string(), stepper.current_visit(), size)
            .with_files(files)
            .with_mine(mine)
            // a step alone tells where the session begins, unless a job is still on its way to the address, or the address is an input or a parameter, which no
            // step computes: then the cursor is on it
            .with_goal(goal.filter(|_| state.job().is_some() || stepper.cursor.is_some()))
            .with_index(state.settings.first_index())
            .with_unit(state.settings.start_unit)
            .with_digits(state.settings.digits)
            .with_scenarios(state.scenarios.iter().map(|scenario| scenario.name.clone()).collect());
        let mut recorder = create_recording(path, &header)?;
        // a session has no fields for these settings, so the keys that change them are recorded
        for (setting, key) in [(Setting::HeatMap, 'H'), (Setting::Zoom, 'Z')] {
            if state.settings.is_on(setting) {
                recorder.add(Duration::ZERO, &Event::Key(Key::from(Code::Char(key))))?;
            }
        }
        Ok(Some(recorder))
    }
}

/// Parses the address of `--at`.
pub(super) fn parse_address(text: &str) -> anyhow::Result<Address> {
    text.parse().map_err(|why: AddressError| address_error(text, &why.to_string()))
}

/// The error for an address of `--at` that does not exist.
pub(super) fn address_error(text: &str, why: &str) -> anyhow::Error {
    anyhow!("--at {}: {why}", display_name(text))
}

/// Begins a recording in a new file, with `header` as its first line. An existing file is not overwritten.
fn create_recording(path: &Path, header: &Header) -> anyhow::Result<Recorder<Box<dyn Write>>> {
    let file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            bail!("{} exists, and --record does not overwrite files; write another name", display_name(path))
        }
        created => created.with_context(|| format!("cannot write {}", display_name(path)))?,
    };
    Recorder::new(Box::new(file) as Box<dyn Write>, header).context("cannot write the recording")
}

/// Reads the settings file, and prints its faults on stderr. Also returns a message for the stepper: the first fault, and the number of the other faults.
fn read_settings(global: &GlobalOptions) -> anyhow::Result<(UserSettings, Option<String>)> {
    let (user, faults) = user_settings::read();
    let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
    faults.iter().try_for_each(|fault| global.report(fault))?;
    let other_faults = faults.len().saturating_sub(1);
    let message = faults.into_iter().next();
    Ok((user, message.map(|first| if other_faults > 0 { format!("{first}; and {other_faults} more: `gradstep settings`") } else { first })))
}

/// Shows a fault of the settings file.
fn say_fault(state: &mut State, fault: Option<String>) {
    if let Some(fault) = fault {
        let is_error = true;
        state.say(fault, is_error);
    }
}

/// Runs the stepper in the terminal.
fn run_stepper(
    driver: Driver,
    user: &UserSettings,
    global: &GlobalOptions,
    recorder: Option<Recorder<Box<dyn Write>>>,
) -> anyhow::Result<ExitCode> {
    let global = global.with(user);
    let stepper = TerminalStepper::new(driver.writing_files(), global.for_stepper(), recorder);
    terminal::run(&mut stepper.with_aliases(user.aliases.clone()), &TerminalOptions { mouse: !global.no_mouse })?;
    Ok(ExitCode::SUCCESS)
}

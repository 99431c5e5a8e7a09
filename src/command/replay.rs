//! `gradstep replay`: a recorded session, on the screen or as text.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Args;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::live::{due, events};
use super::look::Global;
use super::source::{Carried, Shelf, file, shown};
use super::stepper::{Done, Stepper};
use super::{at_iteration, offers, output_to, promised};
use crate::app::State;
use crate::keys::{Code, Key};
use crate::output;
use crate::scenario::{self, Limits, Source};
use crate::session::{Event, Session};
use crate::terminal::{self, Flow, Input, Options, Program};
use crate::ui::{self, Look, export};

/// No session is larger: a scenario, and a million keys.
const LARGEST: usize = 64 << 20;
/// The largest side of a frame.
const LONGEST: u16 = 1000;

#[derive(Clone, Copy, Debug)]
enum Format {
    Text,
}

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What `gradstep SCENARIO --record FILE` has written
    session: PathBuf,
    /// How much faster than it was recorded
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    speed: f64,
    /// Print the frames instead of playing them
    #[arg(long, value_parser = promised::format(&[("text", Format::Text)], &["cast", "svg"]))]
    format: Option<Format>,
    /// Write the frames to a file
    #[arg(short, long, value_name = "FILE", requires = "format")]
    output: Option<PathBuf>,
}

fn speed(text: &str) -> Result<f64, String> {
    let speed = text.parse().ok().filter(|speed| (0.001..=1000.0).contains(speed));
    speed.ok_or_else(|| "a speed is a number from 0.001 to 1000, such as 2".to_owned())
}

pub(super) fn run(arguments: &Arguments, global: &Global) -> anyhow::Result<ExitCode> {
    let name = shown(&arguments.session);
    let session = Session::read(&read(&arguments.session)?).map_err(|why| anyhow!("{name} {why}"))?;
    let stepper = begin(&session, global.limits())?;
    if session.torn {
        let mut to = output::stderr();
        writeln!(to, "{}", global.text(&format!("note: the last line of {name} was cut off and is left out")))?;
        to.finish()?;
    }
    match arguments.format {
        Some(Format::Text) => {
            let mut to = output_to(arguments.output.as_ref(), arguments.session.as_os_str(), &[])?;
            frames(&session, stepper, &global.plain(), |frame| {
                let Frame { number, time, what, buffer } = frame;
                write!(to, "{}", global.text(&format!("--- {number}  {:.3}s  {what}\n", time.as_secs_f64())))?;
                Ok(to.text(&export::text(&buffer))?)
            })?;
            to.finish()?;
        }
        None => terminal::run(&mut Player::new(session, stepper, arguments.speed, global.look()), &Options { mouse: !global.no_mouse })?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    if path.as_os_str() == "-" {
        bail!("a session is replayed from a file, not from the standard input");
    }
    file(path, LARGEST)
}

/// The stepper as the session found it.
///
/// # Errors
/// The faults of the session's scenario; or that it has no such step.
pub fn begin(session: &Session, limits: Limits) -> anyhow::Result<Stepper> {
    let header = &session.header;
    let path_shown = format!("{} (in the session)", header.name);
    let source = Source { name: header.name.clone(), path_shown, text: header.scenario.clone() };
    let scenario = scenario::read_beside(source, limits, Arc::new(Carried(header.files.clone())))?;
    let lesson = Arc::new(at_iteration(scenario, header.iteration)?);
    if header.at == 0 || header.at > lesson.trace.len() {
        bail!("the session opens at step {}, and its scenario has the steps 1 to {}", header.at, lesson.trace.len());
    }
    let mut state = State::picker(offers::bundled());
    state.open(lesson, Some(header.at));
    let mut stepper = Stepper::new(state, Shelf::bundled(limits));
    stepper.seen_on(header.size);
    Ok(stepper)
}

/// A frame of a replay.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Counted from 0, the opening.
    pub number: u64,
    /// When it was shown.
    pub time: Duration,
    /// What led to it: `open`, a key, `play`, a new size.
    pub what: String,
    /// The screen.
    pub buffer: Buffer,
}

/// All frames of a session, one after the other.
///
/// # Errors
/// Those of `give`.
pub fn frames(
    session: &Session,
    mut stepper: Stepper,
    look: &Look,
    mut give: impl FnMut(Frame) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut size = session.header.size;
    let mut number = 0;
    let mut show = |stepper: &Stepper, size: (u16, u16), time: Duration, what: String| {
        let buffer = stepper.frame(look, (size.0.min(LONGEST), size.1.min(LONGEST)));
        number += 1;
        give(Frame { number: number - 1, time, what, buffer }).context("cannot write the frames")
    };
    show(&stepper, size, Duration::ZERO, "open".to_owned())?;
    for (time, event) in &session.events {
        let time = *time;
        while let Some(wake) = stepper.state.wake().map(due).filter(|&wake| wake < time) {
            stepper.clock(wake);
            show(&stepper, size, wake, "play".to_owned())?;
        }
        if stepper.event(event, time) == Done::Quit {
            return Ok(());
        }
        if let Event::Resize(columns, rows) = event {
            size = (*columns, *rows);
        }
        show(&stepper, size, time, event.to_string())?;
    }
    Ok(())
}

/// A replay on the terminal. Any key stops it; from then on the keys are the user's.
struct Player {
    session: Session,
    stepper: Stepper,
    look: Look,
    /// The next event; `None` when the user has taken over.
    next: Option<usize>,
    speed: f64,
    /// Session time and terminal time at which the user took over.
    since: (Duration, Duration),
    screen: Cell<Rect>,
}

impl Player {
    fn new(session: Session, mut stepper: Stepper, speed: f64, look: Look) -> Self {
        stepper.state.say("a recorded session: any key stops it, q quits", false);
        let mut player =
            Self { session, stepper, look, next: Some(0), speed, since: (Duration::ZERO, Duration::ZERO), screen: Cell::default() };
        if player.session.events.is_empty() {
            player.stop(Duration::ZERO, "the session has no keys: go on by hand");
        }
        player
    }

    /// The session's time at a time of the terminal.
    fn time(&self, now: Duration) -> Duration {
        match self.next {
            Some(_) => now.mul_f64(self.speed),
            None => self.since.0 + now.saturating_sub(self.since.1),
        }
    }

    fn stop(&mut self, now: Duration, why: &str) {
        self.since = (self.time(now), now);
        self.next = None;
        (self.stepper.state.play, self.stepper.state.way) = (None, None);
        self.stepper.state.say(why, false);
    }

    /// The events that are due, and the play between them.
    fn advance(&mut self, now: Duration) {
        let time = self.time(now);
        while let Some((at, event)) = self.next.and_then(|next| self.session.events.get(next)).filter(|(at, _)| *at <= time) {
            let ends = self.stepper.event(event, *at) == Done::Quit;
            self.next = self.next.map(|next| next + 1);
            if ends || self.next == Some(self.session.events.len()) {
                return self.stop(now, "the end of the session: go on by hand, q quits");
            }
        }
        self.stepper.clock(time);
    }
}

impl Program for Player {
    fn input(&mut self, input: Input, now: Duration) -> anyhow::Result<Flow> {
        if input == Input::Wake {
            self.advance(now);
            if self.next.is_none() {
                self.stepper.work(self.time(now));
            }
            return Ok(Flow::Changed);
        }
        let mut flow = Flow::Same;
        let screen = self.screen.get();
        for event in events(input, &self.stepper, screen) {
            flow = Flow::Changed;
            let Some(done) = self.next else {
                self.stepper.seen_on((screen.width, screen.height));
                if self.stepper.event(&event, self.time(now)) == Done::Quit {
                    return Ok(Flow::Quit);
                }
                continue;
            };
            match event {
                Event::Key(Key { code: Code::Char('q'), ctrl: false, .. } | Key { code: Code::Char('c'), ctrl: true, .. }) => {
                    return Ok(Flow::Quit);
                }
                Event::Key(_) => self.stop(now, &format!("stopped after {done} of {}: go on by hand, q quits", self.session.events.len())),
                _ => {}
            }
        }
        Ok(flow)
    }

    fn wake(&self) -> Option<Duration> {
        let Some(next) = self.next else {
            return self.stepper.wake().map(|at| self.since.1 + at.saturating_sub(self.since.0));
        };
        let play = self.stepper.state.wake().map(due);
        let event = self.session.events.get(next).map(|(at, _)| *at);
        let at = event.into_iter().chain(play).min()?;
        // a little late rather than early: the time that it is for must have come
        Some(at.div_f64(self.speed) + Duration::from_micros(1))
    }

    fn draw(&self, area: Rect, buffer: &mut Buffer) {
        self.screen.set(area);
        ui::render(&self.stepper.state, &self.look, area, buffer);
    }
}

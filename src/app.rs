//! Floor 6: the state of the program as data. A key becomes an [`Action`], [`update`] does the action, and `ui` draws the state.
//!
//! ```text
//! State ─ screen ─ Picker ─ stepper    the Stepper below the picker, if a scenario is open; Esc returns to it
//!       │        └ Stepper ─ document   the scenario and one computed iteration
//!       │                  ├ mode       normal, or the prompt, in which the user types text
//!       │                  ├ job        a long computation, done in time slices
//!       │                  └ step, unit, count, play, scroll
//!       ├ overlay        a text or a list over the screen, such as the help
//!       └ settings, message, now
//! ```
//!
//! [`update`] reads no clock, no file and no terminal. [`State::focus`] decides which part of the screen receives the keys: the overlay, the prompt, the picker
//! or the stepper.

mod action;
mod bookmarks;
mod breakpoints;
mod check;
mod command;
mod command_line;
mod compared_groups;
mod compared_losses;
mod comparing;
mod computation_state;
mod copy;
mod cursor;
mod curve;
mod differences;
mod document;
mod editing;
mod edits;
mod focus;
mod folds;
mod forward_moves;
mod given;
mod job;
mod list;
mod lists;
mod map;
mod message;
mod mode;
mod motion;
mod names;
mod number_name;
mod overlay;
mod overlay_kind;
mod picker;
mod predicting;
mod prediction;
mod prompt;
mod reload;
mod scan;
mod scan_job;
mod search;
mod settings;
mod state;
mod stepper;
mod stepper_context;
mod submit;
#[cfg(test)]
mod tests;
mod train;
mod train_job;
mod training;
mod update;
mod visits;
mod watches;
mod work;

use std::time::Duration;

pub use action::{Action, Request};
pub use bookmarks::{Bookmark, Bookmarks};
pub use breakpoints::{Breakpoint, Breakpoints};
pub use command::{Command, Commands, TYPED_COMMANDS, TypedCommand, TypedCommandKind};
pub use compared_groups::{Group, group_names, groups};
pub use compared_losses::ComparedLosses;
pub use comparing::{CompareOptions, ComparedEntry, GradientComparison, MistakeHere};
pub use copy::CopyFormat;
pub use cursor::Cursor;
pub use curve::CurveMarker;
pub use differences::Difference;
pub use document::{Document, Experiment, FileChange};
pub use edits::{Change, Edit, EditEffect, Edits};
pub use focus::Focus;
pub use folds::Folds;
pub use forward_moves::ForwardMoves;
pub use job::Job;
pub use list::{List, ListRow};
pub use map::NetworkMap;
pub use message::Message;
pub use mode::Mode;
pub use names::OpNames;
pub use number_name::number_name;
pub use overlay::Overlay;
pub use overlay_kind::{ListKind, OverlayKind};
pub use picker::{Picker, ScenarioEntry, ScenarioGroup};
pub use predicting::hidden_symbol;
pub use prediction::{Outcome, Prediction, PredictionQuestion, RuleScore};
pub use prompt::{Prompt, PromptCandidate, PromptKind};
pub use scan_job::ScanJob;
pub use search::Search;
pub use settings::{KeyMeanings, SPEEDS, Setting, Settings};
pub use state::{Screen, State};
pub use stepper::Stepper;
pub use train_job::TrainJob;
pub use training::{Curve, Curves, Training};
pub use update::update;
pub use visits::{Visit, Visits};
pub use watches::{Watch, Watches};

/// The longest time for which a job runs before the program checks the keyboard again. If a piece of work is in progress at the end of this time, it is
/// finished first.
pub const SLICE: Duration = Duration::from_millis(15);

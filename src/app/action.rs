//! The actions that change a state, and the requests that `update` returns.

use std::time::Duration;

use tui_input::InputRequest;

use super::{OverlayKind, Setting};
use crate::network::Id;

/// A change of the state. Keys, clicks, the wheel and the clock all become actions.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Moves one unit forward.
    Forward,
    /// Moves one unit back.
    Back,
    /// Moves one step forward, whatever the unit.
    StepForward,
    /// Moves one step back, whatever the unit.
    StepBack,
    /// Goes to the last step of the op.
    StepOut,
    /// Goes to the place that the last jump left.
    JumpBack,
    /// Redoes the last jump that was undone.
    JumpForward,
    /// Goes to the first step.
    First,
    /// Goes to the last step; with a count, to the step of that number.
    Last,
    /// Goes to the start of the backward pass.
    BackwardPass,
    /// Chooses a finer unit.
    Finer,
    /// Chooses a coarser unit.
    Coarser,
    /// Plays or pauses.
    Play,
    /// Plays faster.
    Faster,
    /// Plays slower.
    Slower,
    /// Adds a digit to the count.
    Digit(u8),
    /// Turns a setting by this number of choices, back if negative.
    Turn(Setting, i64),
    /// Opens the address line.
    Prompt,
    /// Edits the address line.
    Edit(InputRequest),
    /// Puts the next completion into the address line.
    Complete,
    /// Puts the previous completion into the address line.
    CompleteBack,
    /// Confirms in the focus: goes to the address in the line, opens the selected scenario, or closes the overlay.
    Accept,
    /// Goes to a step.
    Go(u64),
    /// Goes to the first step that computes this entry of a tensor on the screen; for an input or a parameter, to the first step that reads it.
    Visit(Id, usize),
    /// Scrolls in the focus by this number of lines: the overlay, the picker's selection, or the matrices.
    Scroll(i16),
    /// Scrolls in the focus by this number of pages.
    Page(i16),
    /// Scrolls the matrices by this number of rows down and columns to the right.
    ScrollMatrices([i16; 2]),
    /// Opens the cursor on the matrices, or closes it.
    Inspect,
    /// Moves the cursor by this number of rows down and columns to the right.
    MoveCursor([isize; 2]),
    /// Moves the cursor to another matrix, this number further.
    NextMatrix(isize),
    /// Shows another channel or filter, this number further.
    Channel(isize),
    /// Goes to the steps that compute the entry under the cursor; without a cursor, the largest factor of the step.
    Maker,
    /// Chooses a row of the open list.
    Choose(usize),
    /// Opens an overlay, or closes it if it is open.
    Toggle(OverlayKind),
    /// Limits the overlay's scroll offset to this number of lines, the largest offset that the screen needs.
    ScrollAtMost(u16),
    /// Opens the picker over the stepper.
    Pick,
    /// Closes the overlay, the address line or the picker, whichever has the focus. In the stepper itself, stops the job.
    Close,
    /// Ends the job and play without a message, when a replay hands control to the user.
    Halt,
    /// Shows a sentence, which explains a key that does nothing yet.
    Say(&'static str),
    /// Ends the program.
    Quit,
    /// Sets the time.
    Clock(Duration),
    /// Does this number of iterations of the job.
    Work(u64),
    /// Does this number of pieces of the job: an op, the start or the end of a run, or a move by one unit.
    Pieces(u64),
}

/// A request that only the caller of `update` can fulfil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Open this scenario and give it to [`super::State::open`].
    Open(String),
    /// End the program.
    Quit,
}

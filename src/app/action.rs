//! The actions that change the state of the program, and the requests that [`super::update`] returns to its caller.

use std::time::Duration;

use tui_input::InputRequest;

use super::{Commands, CopyFormat, OverlayKind, Setting};
use crate::network::Id;
use crate::step::Address;

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
    /// Goes to the last step. With a count k, such as 57 in `57G`, goes to step k.
    Last,
    /// Goes to the start of the backward pass.
    BackwardPass,
    /// Chooses a finer unit.
    Finer,
    /// Chooses a coarser unit.
    Coarser,
    /// Starts or pauses play, which moves one unit forward at regular intervals.
    TogglePlay,
    /// Plays faster.
    Faster,
    /// Plays slower.
    Slower,
    /// Appends a digit to the count, the number that is typed before a key.
    Digit(u8),
    /// Moves a setting to a later choice by this number, or to an earlier one if negative. After the last choice comes the first.
    CycleSetting(Setting, i64),
    /// Opens the prompt.
    OpenPrompt,
    /// Opens the line for addresses and these commands.
    OpenPalette(Commands),
    /// Opens the line for a search.
    OpenSearch,
    /// Goes to the next match of the search, or to the previous one if negative.
    NextMatch(i64),
    /// Goes to the first entry that differs from the user's own gradients.
    FirstDifference,
    /// Sets or removes the breakpoint at the entry under the cursor, or at this step's entry or op.
    ToggleBreakpoint,
    /// Continues to the next breakpoint; to the previous one if the number is negative.
    ContinueToBreakpoint(i64),
    /// Goes to the place of the breakpoint of this number.
    GoToBreakpoint(u32),
    /// Opens the line for a new value of the number under the cursor.
    EditNumber,
    /// Undoes the last edit of a number.
    Undo,
    /// Redoes the edit that was undone last.
    Redo,
    /// Writes the edits to the scenario file.
    WriteEdits,
    /// Ends the program at once. Unsaved edits stay in the state folder.
    QuitAtOnce,
    /// Gives up the edits that are not written, and does what they have held up.
    DiscardAndLeave,
    /// Takes back the unsaved edits of an earlier session.
    TakeBackEdits,
    /// Gives up the unsaved edits of an earlier session.
    DiscardOldEdits,
    /// Writes the edits, then does what they have held up.
    WriteAndLeave,
    /// Turns prediction on or off.
    TogglePrediction,
    /// In prediction, opens the line for the number that is asked for, or goes on to the next one.
    NextQuestion,
    /// Shows the number that is asked for.
    ShowAnswer,
    /// Edits the prompt.
    Edit(InputRequest),
    /// Puts the next completion into the prompt.
    Complete,
    /// Puts the previous completion into the prompt.
    CompleteBack,
    /// Confirms. In the prompt, goes to the address; in the picker, opens the selected scenario; in an overlay, closes it.
    Accept,
    /// Goes to a step, counted from 1.
    GoToStep(u64),
    /// Goes to the first step that computes this entry of a tensor on the screen. No step computes an input or a parameter: their entries get the cursor.
    GoToEntry(Id, usize),
    /// Scrolls by this number of lines, up if negative. The focus decides what moves: the overlay, the picker's selection, or the matrices.
    Scroll(i16),
    /// As [`Action::Scroll`], by this number of pages.
    Page(i16),
    /// Scrolls the matrices by this number of rows down and columns to the right.
    ScrollMatrices([i16; 2]),
    /// Opens the cursor on the matrices, or closes it.
    Inspect,
    /// Moves the cursor by this number of rows down and columns to the right.
    MoveCursor([isize; 2]),
    /// Moves the cursor to another matrix, this number of matrices later; earlier if negative.
    NextMatrix(isize),
    /// Shows another channel or filter, this number of channels later; earlier if negative.
    Channel(isize),
    /// Goes to the steps that compute the entry under the cursor; without a cursor, the largest factor of the step.
    Maker,
    /// Goes to an address.
    GoToAddress(Address),
    /// Bookmarks the step on the screen, or removes its bookmark.
    ToggleBookmark,
    /// Watches the entry under the cursor, or ends its watch.
    ToggleWatch,
    /// Opens or closes a statement or a call of several operations: of the selected block of the map, or of the step.
    ToggleFold,
    /// Copies a text about the entry under the cursor.
    Copy(CopyFormat),
    /// Compares the derivative by the entry under the cursor with differences of the loss.
    CheckGradient,
    /// Chooses a row of what has the focus: of a list, a block of the map, a scenario of the picker, or a text from the list above the prompt.
    Choose(usize),
    /// In the map, selects the farthest block that reads the selected one; with `true`, the farthest one that it reads.
    FollowLine(bool),
    /// Runs the gradient descent of the open curve, or pauses it.
    ToggleRun,
    /// Moves the marker of the open curve by this number of iterations, back if negative.
    MoveMarker(i64),
    /// Opens an overlay, or closes it if it is open.
    Toggle(OverlayKind),
    /// Limits the overlay's scroll offset to this number of lines. The caller knows the screen, and so the offset at which the last line is visible.
    ScrollAtMost(u16),
    /// Opens the picker over the stepper.
    OpenPicker,
    /// Closes the overlay, the prompt or the picker, whichever has the focus. If none of them is open, stops the job.
    Close,
    /// Ends the job and play without a message. A replay does this when it hands control to the user.
    Halt,
    /// Shows a sentence, which explains a key that does nothing yet.
    Say(&'static str),
    /// Copies a command line for a shell: gradstep with these arguments, in which `{scenario}` and `{address}` stand for the open scenario and this step.
    Shell(&'static str),
    /// Ends the program.
    Quit,
    /// Sets the time.
    Clock(Duration),
    /// Continues the job by this number of iterations.
    JobIterations(u64),
    /// Continues the job by this number of pieces. A piece is an op, the start or the end of a run of the network, or a move by one unit.
    JobPieces(u64),
}

impl Action {
    /// Returns whether a number before the key has a meaning for this action.
    #[must_use]
    pub fn takes_count(&self) -> bool {
        match self {
            Self::Forward
            | Self::Back
            | Self::StepForward
            | Self::StepBack
            | Self::JumpBack
            | Self::JumpForward
            | Self::Last
            | Self::Finer
            | Self::Coarser
            | Self::Faster
            | Self::Slower
            | Self::Digit(_)
            | Self::NextMatch(_)
            | Self::ContinueToBreakpoint(_)
            | Self::MoveCursor(_)
            | Self::MoveMarker(_)
            | Self::NextMatrix(_)
            | Self::Channel(_)
            // clears the number
            | Self::Close
            | Self::Quit => true,
            _ => false,
        }
    }
}

impl Action {
    /// Returns the sentence for a key that leaves the screen as it was; `None` if the action always changes the screen or reports itself why it does not.
    #[must_use]
    pub fn without_effect(&self) -> Option<&'static str> {
        Some(match self {
            Self::Scroll(lines) if *lines < 0 => "there is nothing further up",
            Self::Page(pages) if *pages < 0 => "there is nothing further up",
            Self::ScrollMatrices([lines, columns]) if *lines < 0 || *columns < 0 => "there is nothing further in this direction",
            Self::Scroll(_) | Self::Page(_) | Self::ScrollMatrices([_, 0]) => "there is nothing further down",
            Self::ScrollMatrices(_) => "there is nothing further in this direction",
            Self::CycleSetting(Setting::Pane, _) => "all panes are on the screen",
            Self::CycleSetting(..) => "this changes nothing on the screen",
            Self::MoveCursor(_) => "the matrix ends here; Tab goes to the next one",
            Self::NextMatrix(_) => "there is no other matrix",
            Self::Channel(_) => "there is no further channel",
            Self::MoveMarker(_) | Self::First | Self::Last => "there is no further iteration in this direction",
            Self::Close => "nothing is open, and nothing runs",
            Self::Edit(_) => "the line ends here",
            Self::Complete | Self::CompleteBack => "there is nothing to choose",
            _ => return None,
        })
    }
}

/// A request that only the caller of `update` can fulfil.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read the scenario with this bundled name or path, and pass it to [`super::State::open`].
    Open(String),
    /// Read the file of the open scenario again, and pass it to [`super::State::reload`].
    Reload {
        /// `false` if the unsaved edits are given up.
        keeps_edits: bool,
    },
    /// Read a file with the user's own gradients, and pass the comparison to [`super::State::compare`].
    Compare(String),
    /// Copy a text to the clipboard.
    Copy(String),
    /// Write the scenario with its edits.
    Write {
        /// The path; `None` for the scenario's own file.
        path: Option<String>,
        /// The request to fulfil if the file is written.
        then: Option<Box<Request>>,
    },
    /// End the program.
    Quit,
}

//! The actions that change the state of the program, such as [`Action::Forward`], and the requests of [`super::update`], such as [`Request::Copy`]. `update`
//! itself touches no file and no clipboard: it returns a request, and its caller does it.

use std::time::Duration;

use tui_input::InputRequest;

use super::{Commands, CopyFormat, Difference, OverlayKind, Setting};
use crate::network::Id;
use crate::step::Address;

/// A change of the state. Keys, clicks, the wheel and the clock all become actions.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Moves one unit forward.
    Forward,
    /// Moves one unit back.
    Back,
    /// Moves one step forward, whatever the unit is.
    StepForward,
    /// Moves one step back, whatever the unit is.
    StepBack,
    /// Goes to the last step of the op.
    StepOut,
    /// Goes back to the step before the last jump.
    JumpBack,
    /// Redoes the jump that [`Action::JumpBack`] undid last.
    JumpForward,
    /// Goes to the first step. On the curve, moves the marker to the first iteration.
    First,
    /// Goes to the last step. With a count k, such as 57 in `57G`, goes to step k. On the curve, moves the marker to the last iteration or to iteration k.
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
    /// Changes a setting to the choice that is this number of places later in its list, earlier if negative. The list is circular: the first choice follows the
    /// last.
    CycleSetting(Setting, i64),
    /// Opens the prompt for addresses, without commands.
    OpenPrompt,
    /// Opens the prompt for addresses and these commands.
    OpenPalette(Commands),
    /// Opens the prompt for a search.
    OpenSearch,
    /// Goes to the next match of the search, or to the previous one if the number is negative. Only the sign of the number counts.
    NextMatch(i64),
    /// Goes to the first wrong entry of the user's gradients, or to the step of a mistake. If one of these places is on the screen, goes to the next of them.
    FirstDifference,
    /// Goes to a place of the comparison with the user's gradient file.
    GoToDifference(Difference),
    /// Sets a breakpoint, or removes it if it is set. With a cursor, it is at the entry under the cursor. Without a cursor, it is at the entry that the step
    /// computes if the unit is a step or an entry, and at the op of the step if the unit is larger.
    ToggleBreakpoint,
    /// Goes to the next breakpoint, or to the previous one if the number is negative. Only the sign of the number counts.
    ContinueToBreakpoint(i64),
    /// Goes to the op or the entry of the breakpoint with this number.
    GoToBreakpoint(u32),
    /// Opens the prompt for a new value of the number under the cursor. The character is the first one of the value, if the user has typed it already.
    EditNumber(Option<char>),
    /// Undoes the last edit of a number.
    Undo,
    /// Redoes the edit that was undone last.
    Redo,
    /// Writes the edits to the scenario file.
    WriteEdits,
    /// Ends the program without a question about unsaved edits. The journal keeps them.
    QuitAtOnce,
    /// Discards the unsaved edits and does what the user asked for before the question about them, such as quitting.
    DiscardAndLeave,
    /// Restores the unsaved edits of an earlier session.
    RestoreEdits,
    /// Discards the unsaved edits of an earlier session.
    DiscardOldEdits,
    /// Writes the edits and does what the user asked for before the question about them, such as quitting.
    WriteAndLeave,
    /// Turns prediction on or off.
    TogglePrediction,
    /// In prediction, opens the prompt for the hidden number, or goes to the next question if this one is answered.
    NextQuestion,
    /// In prediction, shows the hidden number.
    ShowAnswer,
    /// Edits the text of the prompt.
    EditPrompt(InputRequest),
    /// Puts the next completion into the prompt.
    Complete,
    /// Puts the previous completion into the prompt.
    CompleteBack,
    /// Does what Enter does in the part with the focus: in the prompt, does what the text means; in the picker, opens the selected scenario; in a list, does
    /// the action of the selected row; in the map or the curve, goes to the selected block or iteration; in any other overlay, closes it.
    Accept,
    /// Goes to a step, counted from 1.
    GoToStep(u64),
    /// If the cursor is open, moves it to this entry of a matrix on the screen. Otherwise, goes to the first step that computes the entry. If no step computes
    /// it (an input, for example), opens the cursor on it.
    GoToEntry(Id, usize),
    /// Scrolls the part with the focus by this number of lines, up if negative: the text of an overlay, or the matrices. In a list, the map, the curve, the
    /// picker or the prompt, moves the selection.
    Scroll(i16),
    /// Does the same as [`Action::Scroll`], by this number of pages.
    Page(i16),
    /// Scrolls the matrices by this number of rows down and columns to the right. On the curve, moves the marker by the columns.
    ScrollMatrices([i16; 2]),
    /// Opens the cursor on the matrices.
    Inspect,
    /// Moves the cursor by this number of rows down and columns to the right.
    MoveCursor([isize; 2]),
    /// Moves the cursor to the matrix that is this number of matrices later on the screen, earlier if negative.
    NextMatrix(isize),
    /// Shows the channel (or filter) that is this number of channels later, earlier if negative.
    Channel(isize),
    /// Goes to the first step that computes an entry: the entry under the cursor or, without a cursor, the factor of this step with the
    /// largest absolute value, constants excepted.
    GoToProducer,
    /// Goes to an address.
    GoToAddress(Address),
    /// Bookmarks the step on the screen, or removes its bookmark.
    ToggleBookmark,
    /// Watches the entry under the cursor or, without a cursor, the entry that the step computes. If it is watched already, stops watching it.
    ToggleWatch,
    /// Opens or closes a fold (see [`super::Folds`]). In the map, it is the fold of the selected block; otherwise, the fold of the step.
    ToggleFold,
    /// Copies a text about the entry under the cursor or, without a cursor, about the entry that the step computes.
    Copy(CopyFormat),
    /// Compares a derivative of the loss with finite differences: the derivative by the entry under the cursor or, without a cursor, by the entry that the step
    /// computes.
    CheckGradient,
    /// Selects a row of the part with the focus, and does what [`Action::Accept`] does for this row. It is a row of a list, a block of the map, a scenario of
    /// the picker, or a text from the list above the prompt. On a curve, only moves the marker to this iteration.
    Choose(usize),
    /// In the map, moves the selection to a block that a line connects with the selected block.
    FollowLine {
        /// `true` to select the first block that the selected block reads, `false` to select the last block that reads the selected block.
        back: bool,
    },
    /// Continues or pauses the gradient descent whose curve is open.
    RunOrPauseDescent,
    /// Moves the marker of the open curve by this number of points, back if negative.
    MoveMarker(i64),
    /// Opens an overlay, or closes it if it is open.
    ToggleOverlay(OverlayKind),
    /// Reduces the scroll offset of the overlay to this number of lines, if it is larger. At this offset the last line of the text is visible. The caller knows
    /// the height of the screen, and `update` does not.
    ScrollAtMost(u16),
    /// Opens the picker over the stepper.
    OpenPicker,
    /// Closes what is open: an overlay, the picker or its filter, the prompt, or the cursor. If nothing is open, stops the job and play.
    Close,
    /// Ends the job and play without a message. A replay does this when it hands control to the user.
    Halt,
    /// Shows this sentence as a message.
    Say(&'static str),
    /// Copies a shell command that calls `gradstep` with these arguments. `{scenario}` is replaced by the open scenario, `{address}` by this step's address,
    /// `{options}` by the options that draw the screen as it is now, and `{keys}` by the option with the keys for heat maps.
    CopyCommandLine(&'static str),
    /// Ends the program.
    Quit,
    /// Sets the time.
    Clock(Duration),
    /// Continues the job by this number of iterations.
    JobIterations(u64),
    /// Continues the job by this number of pieces. A piece is the smallest unit of work of a job, such as one op or a move by one unit (`job.rs`).
    JobPieces(u64),
}

impl Action {
    /// Returns whether a number may be typed before the key of this action. Before other keys, a message says that the number does nothing.
    #[must_use]
    pub fn accepts_count(&self) -> bool {
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
            | Self::Undo
            | Self::Redo
            // Esc clears the typed number, and quitting needs no message about it
            | Self::Close
            | Self::Quit => true,
            _ => false,
        }
    }
}

impl Action {
    /// Returns the sentence that is shown if the action has changed nothing on the screen. Returns `None` if the action always changes the screen, or shows a
    /// message of its own.
    #[must_use]
    pub fn message_without_effect(&self) -> Option<&'static str> {
        Some(match self {
            Self::Scroll(lines) if *lines < 0 => "there is nothing further up",
            Self::Page(pages) if *pages < 0 => "there is nothing further up",
            Self::ScrollMatrices([rows, columns]) if *rows < 0 || *columns < 0 => "there is nothing further in this direction",
            Self::Scroll(_) | Self::Page(_) | Self::ScrollMatrices([_, 0]) => "there is nothing further down",
            Self::ScrollMatrices(_) => "there is nothing further in this direction",
            Self::CycleSetting(Setting::Pane, _) => "all panes are on the screen",
            Self::CycleSetting(..) => "this changes nothing on the screen",
            Self::MoveCursor(_) => "the matrix ends here; Tab goes to the next one",
            Self::NextMatrix(_) => "there is no other matrix",
            Self::Channel(_) => "there is no further channel",
            // the stepper has its own messages for `First` and `Last`, so this one is about the curve
            Self::MoveMarker(_) | Self::First | Self::Last => "there is no further iteration in this direction",
            Self::Close => "nothing is open, and nothing runs",
            Self::EditPrompt(_) => "the line ends here",
            Self::Complete | Self::CompleteBack => "there is nothing to choose",
            _ => return None,
        })
    }
}

/// Work for the caller of `update`, because `update` reads no file and no clipboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read the scenario with this bundled name or path, and pass it to [`super::State::open`].
    Open(String),
    /// Read the file of the open scenario again, and pass it to [`super::State::reload`].
    Reload {
        /// `false` if the unsaved edits are discarded.
        keeps_edits: bool,
    },
    /// Read a file with gradients that the user's own program computed, and pass the comparison to [`super::State::compare_gradients`].
    CompareGradients(String),
    /// Read the scenario with this bundled name or path, run its gradient descent, and pass the losses to [`super::State::compare_losses`].
    CompareLosses(String),
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

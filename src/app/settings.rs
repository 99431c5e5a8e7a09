//! Settings, such as the speed of play and the visible pane. They stay the same when another scenario is opened.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::number::Digits;
use crate::scene::Scene;
use crate::step::Unit;

/// The speeds of play, in units per second.
pub const SPEEDS: [f64; 9] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// A setting with several choices. A key goes to the next choice. A setting that can be on or off has two choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// The pane that is visible where several panes share one area of a small screen.
    Pane,
    /// Whether moves by steps skip products that are 0.
    SkipZeros,
    /// Whether large matrices are drawn as images.
    HeatMap,
    /// Whether the equation and the operands are drawn alone, in large characters.
    Zoom,
    /// Whether subscripts, headings and channels count from 0 instead of 1.
    Index,
    /// Whether the curve has a logarithmic scale.
    LogScale,
    /// Whether the curve shows the values of a parameter instead of the loss.
    ParameterPath,
}

/// The meanings of the keys whose meaning changed with format 2 of session files. A session of format 1 is replayed with the old meanings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyMeanings {
    /// The old meanings: `l` and `h` go to the first steps of units, and `n` opens the notes.
    ToFirstSteps,
    /// The new meanings: `l` goes to the last step of a unit; directly after it, `h` returns to the step at which `l` was pressed. `a` opens the notes.
    #[default]
    ToLastSteps,
}

/// The user's choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The speed of play, as an index of [`SPEEDS`].
    pub speed: usize,
    /// The meanings of the keys whose meaning depends on the format of a session.
    pub key_meanings: KeyMeanings,
    /// The unit with which a scenario opens. If the scenario has only one sample or iteration, the next finer unit is used.
    pub start_unit: Unit,
    /// The number of significant digits of numbers on the screen.
    pub digits: Digits,
    /// The keys that the user has defined, each with the built-in key whose action it does, in vim's notation. The help shows them. `command/live.rs`
    /// translates them before `app` sees them.
    pub aliases: Vec<(String, String)>,
    /// For each setting, the number of choices by which keys have moved it forward, negative for back. A setting without an entry is at its first choice.
    ///
    /// The number of choices is not known here: only `ui` knows, for example, which panes share an area.
    moved: BTreeMap<Setting, i64>,
}

impl Default for Settings {
    fn default() -> Self {
        // SPEEDS[3]: 2 units per second
        Self {
            speed: 3,
            key_meanings: KeyMeanings::default(),
            start_unit: Unit::Step,
            digits: Digits::default(),
            aliases: Vec::new(),
            moved: BTreeMap::new(),
        }
    }
}

impl Settings {
    /// Returns the time from one move of play to the next.
    #[must_use]
    pub fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / SPEEDS[self.speed])
    }

    /// Returns the index of the current choice of a setting with `count` choices. For a setting that can be on or off, 0 means off.
    ///
    /// With 3 choices, one move back from choice 0 leads to choice −1 mod 3 = 2.
    #[must_use]
    pub fn choice(&self, setting: Setting, count: usize) -> usize {
        let moved = self.moved.get(&setting).copied().unwrap_or(0);
        let choice = i64::try_from(count).ok().and_then(|count| moved.checked_rem_euclid(count));
        choice.and_then(|choice| usize::try_from(choice).ok()).unwrap_or(0)
    }

    /// Returns whether a setting with the choices off and on is on.
    #[must_use]
    pub fn is_on(&self, setting: Setting) -> bool {
        self.choice(setting, 2) == 1
    }

    /// Returns the first index of subscripts, headings and channels: 0 or 1.
    #[must_use]
    pub fn first_index(&self) -> usize {
        usize::from(!self.is_on(Setting::Index))
    }

    /// Returns the scene with the first index and the digits of these settings.
    #[must_use]
    pub fn applied_to<'a>(&self, scene: Scene<'a>) -> Scene<'a> {
        scene.counting_from(self.first_index()).with_digits(self.digits)
    }

    /// Turns a setting on or off.
    pub fn set(&mut self, setting: Setting, is_on: bool) {
        self.moved.insert(setting, i64::from(is_on));
    }

    /// Sets the first index of subscripts, headings and channels: 0 or 1.
    pub fn count_from(&mut self, first: usize) {
        self.moved.insert(Setting::Index, i64::from(first == 0));
    }

    /// Shows the pane `why`, if several panes share one area. It is the second of them.
    pub(super) fn show_why_pane(&mut self) {
        self.moved.insert(Setting::Pane, 1);
    }

    /// Moves a setting forward by `count` choices, back if negative.
    pub(super) fn cycle(&mut self, setting: Setting, count: i64) {
        let moved = self.moved.entry(setting).or_default();
        *moved = moved.saturating_add(count);
    }
}

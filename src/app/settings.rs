//! Settings: the speed of play, and what keys such as Tab switch. They are kept when another scenario is opened.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::number::Digits;
use crate::scene::Scene;
use crate::step::Unit;

/// The speeds of play, in units per second.
pub const SPEEDS: [f64; 9] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// A setting with several choices; a key goes to the next choice. A setting that is on or off has two choices.
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

/// The version of the meanings of keys. Format 2 of session files changed some meanings, so a session of format 1 is replayed with the old ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyMeanings {
    /// `l` and `h` go to first steps of units, `n` opens the notes.
    Format1,
    /// `l` and `h` go to last steps of units, `a` opens the notes.
    #[default]
    Format2,
}

/// The user's choices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The speed of play, as an index of [`SPEEDS`].
    pub speed: usize,
    /// The meanings of the keys.
    pub key_meanings: KeyMeanings,
    /// The unit with which a scenario opens. If the scenario has only one sample or iteration, the next finer unit is used.
    pub start_unit: Unit,
    /// The number of significant digits of numbers on the screen.
    pub digits: Digits,
    /// The user's own keys in vim's notation, each with the key that it replaces. The help shows them; the terminal translates them before they reach `app`.
    pub aliases: Vec<(String, String)>,
    /// For each setting, by how many choices keys have moved it forward, back if negative. A setting without an entry has not been moved.
    ///
    /// The number of choices is not known here, because only `ui` knows which panes share an area.
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

    /// Returns the index of the current choice of a setting with `count` choices. Choice 0 is the first; for a setting that is on or off it means off.
    ///
    /// With 3 choices, moving once back from choice 0 leads to choice −1 mod 3 = 2.
    #[must_use]
    pub fn choice(&self, setting: Setting, count: usize) -> usize {
        let moved = self.moved.get(&setting).copied().unwrap_or(0);
        let choice = i64::try_from(count).ok().and_then(|count| moved.checked_rem_euclid(count));
        choice.and_then(|choice| usize::try_from(choice).ok()).unwrap_or(0)
    }

    /// Returns whether a setting that is on or off is on.
    #[must_use]
    pub fn is_on(&self, setting: Setting) -> bool {
        self.choice(setting, 2) == 1
    }

    /// Returns the number from which subscripts, headings and channels count: 0 or 1.
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

    /// Sets the number from which subscripts, headings and channels count: 0 or 1.
    pub fn count_from(&mut self, first: usize) {
        self.moved.insert(Setting::Index, i64::from(first == 0));
    }

    /// Moves a setting forward by `count` choices, back if negative.
    pub(super) fn cycle(&mut self, setting: Setting, count: i64) {
        let moved = self.moved.entry(setting).or_default();
        *moved = moved.saturating_add(count);
    }
}

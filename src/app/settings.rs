//! Settings, which outlive the open scenario.

use std::collections::BTreeMap;
use std::time::Duration;

/// The speeds of play, in units per second.
pub const SPEEDS: [f64; 9] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];

/// A setting that a key cycles through: on and off, or one of several choices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Setting {
    /// The pane in the shared area.
    Pane,
    /// Whether moves by steps skip products that are 0.
    SkipZeros,
}

/// The meaning of the keys that changed with the second format of sessions. A session of the first format is replayed with the keys of its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `l` and `h` go to first steps of units, `n` opens the notes.
    One,
    /// `l` and `h` go to last steps of units, `a` opens the notes.
    #[default]
    Two,
}

/// The user's choices, which stay when another scenario is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The speed of play, as an index of [`SPEEDS`].
    pub speed: usize,
    /// The meaning of the keys.
    pub dialect: Dialect,
    /// The number of turns of each setting; turns back count as −1.
    turns: BTreeMap<Setting, i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { speed: 3, dialect: Dialect::default(), turns: BTreeMap::new() }
    }
}

impl Settings {
    /// Returns the time from one move of play to the next.
    #[must_use]
    pub fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / SPEEDS[self.speed])
    }

    /// Returns the current choice of a setting with `count` choices: `turns mod count`. It is 0 at first, which is off for a setting that is on or off.
    #[must_use]
    pub fn choice(&self, setting: Setting, count: usize) -> usize {
        let turns = self.turns.get(&setting).copied().unwrap_or(0);
        let choice = i64::try_from(count).ok().and_then(|count| turns.checked_rem_euclid(count));
        choice.and_then(|choice| usize::try_from(choice).ok()).unwrap_or(0)
    }

    /// Returns whether a setting that is on or off is on.
    #[must_use]
    pub fn is_on(&self, setting: Setting) -> bool {
        self.choice(setting, 2) == 1
    }

    /// Turns a setting by this number of choices, back if negative.
    pub(super) fn turn(&mut self, setting: Setting, by: i64) {
        let turns = self.turns.entry(setting).or_default();
        *turns = turns.saturating_add(by);
    }
}

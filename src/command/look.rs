//! The options of every command, and the environment variables for colours and characters.

use std::borrow::Cow;
use std::env;
use std::io::IsTerminal;
use std::num::NonZeroUsize;

use clap::{Args, ValueEnum};

use crate::glyph;
use crate::scenario::Limits;
use crate::terminal::capability;
use crate::ui::RenderOptions;
use crate::ui::theme::{Background, Colours, Theme};

/// The value of `--color`. `Auto` means colours on a terminal, unless `NO_COLOR` is set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// The value of `--background`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BackgroundChoice {
    Dark,
    Light,
}

/// The options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct Global {
    /// When to use colours; auto: on a terminal, unless `NO_COLOR` is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    color: ColorChoice,
    /// Draw and print only ASCII characters; the default in a locale that is not UTF-8
    #[arg(long, global = true)]
    ascii: bool,
    /// The terminal's background [default: from COLORFGBG, otherwise dark]
    #[arg(long, global = true, value_name = "BACKGROUND")]
    background: Option<BackgroundChoice>,
    /// Do not use the mouse, so that the terminal can select text with it
    #[arg(long, global = true)]
    pub(super) no_mouse: bool,
    /// The largest amount of memory for a scenario's tensors, such as 512MiB or 4GiB
    #[arg(long, global = true, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
    memory_limit: u64,
    /// The number of threads that compute; it does not change the results [default: one per core]
    #[arg(long, global = true, value_name = "N", value_parser = count)]
    pub(super) threads: Option<NonZeroUsize>,
}

impl Global {
    /// The limits for reading a scenario.
    pub(super) fn limits(&self) -> Limits {
        Limits { memory: self.memory_limit }
    }

    /// Whether only ASCII characters are printed.
    pub(super) fn ascii(&self) -> bool {
        self.ascii || ascii_locale()
    }

    /// A text for people, translated to ASCII if `--ascii` is on.
    pub(super) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.ascii() && !text.is_ascii() {
            // keep the escape sequences of colours
            let parts: Vec<String> = text.split('\u{1b}').map(glyph::ascii_text).collect();
            return Cow::Owned(parts.join("\u{1b}"));
        }
        Cow::Borrowed(text)
    }

    /// Whether output to a stream is coloured.
    pub(super) fn coloured(&self, stream: &impl IsTerminal) -> bool {
        match self.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => stream.is_terminal() && colour_wanted(),
        }
    }

    /// The render options of the stepper in the terminal.
    pub(super) fn look(&self) -> RenderOptions {
        let colours = match self.color {
            ColorChoice::Never => Colours::None,
            ColorChoice::Auto if !colour_wanted() => Colours::None,
            _ => self.shown(),
        };
        self.with(colours)
    }

    /// The render options of a frame that is printed as plain text.
    pub(super) fn plain(&self) -> RenderOptions {
        self.with(Colours::None)
    }

    /// The render options of a frame that is printed with its colours: on a terminal with the colours that it has, otherwise with all.
    pub(super) fn exported(&self, to_stdout: bool) -> RenderOptions {
        if self.color == ColorChoice::Never || (self.color == ColorChoice::Auto && no_color()) {
            return self.plain();
        }
        let shown = to_stdout && is_terminal();
        self.with(if shown { self.shown() } else { Colours::True })
    }

    /// The terminal's colours; 16 if it has none and `--color always` asks for them.
    fn shown(&self) -> Colours {
        match depth(|name| env::var(name).ok()) {
            Colours::None if self.color == ColorChoice::Always => Colours::Sixteen,
            colours => colours,
        }
    }

    /// The render options of a picture, which has all colours.
    pub(super) fn drawn(&self) -> RenderOptions {
        self.with(if self.color == ColorChoice::Never { Colours::None } else { Colours::True })
    }

    fn with(&self, colours: Colours) -> RenderOptions {
        let background = match self.background {
            Some(BackgroundChoice::Light) => Background::Light,
            Some(BackgroundChoice::Dark) => Background::Dark,
            None => background(env::var("COLORFGBG").ok().as_deref()),
        };
        RenderOptions { theme: Theme::new(colours, background), ascii: self.ascii() }
    }
}

/// Whether the standard output is a terminal.
pub(super) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

fn no_color() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// Whether `NO_COLOR` is not set and the terminal has colours.
pub(super) fn colour_wanted() -> bool {
    !no_color() && depth(|name| env::var(name).ok()) != Colours::None
}

/// The colours that the terminal shows, from its terminfo entry. Two exceptions: a terminal with colours and `COLORTERM=truecolor` has all of them, and
/// one with eight colours is taken to have the eight bright ones too, as today's terminals do.
fn depth(variable: impl Fn(&str) -> Option<String>) -> Colours {
    let term = variable("TERM").unwrap_or_default();
    let colours = capability::colours(&term);
    let is = |value: &str, words: &[&str]| words.iter().any(|word| value.contains(word));
    match colours {
        Some(..8) => Colours::None,
        _ if variable("COLORTERM").is_some_and(|value| is(&value, &["truecolor", "24bit"])) || is(&term, &["-direct", "truecolor"]) => {
            Colours::True
        }
        Some(0x0100_0000..) => Colours::True,
        Some(256..) => Colours::Indexed,
        _ if is(&term, &["256color"]) => Colours::Indexed,
        _ => Colours::Sixteen,
    }
}

/// Whether the environment names a locale that is not UTF-8.
pub(super) fn ascii_locale() -> bool {
    !is_utf8(|name| env::var(name).ok())
}

/// Whether the locale is UTF-8; `true` if none is set.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// The background from `COLORFGBG`, such as `15;0`: foreground and background as numbers among the 16 colours.
fn background(colours: Option<&str>) -> Background {
    match colours.and_then(|colours| colours.rsplit(';').next()) {
        Some("7" | "15") => Background::Light,
        _ => Background::Dark,
    }
}

/// Parses a number of bytes: `1048576`, `512MiB`, `4G`.
fn size(text: &str) -> Result<u64, String> {
    let wrong = || "write a number of bytes, KiB, MiB or GiB, such as 512MiB".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.trim().to_ascii_lowercase().trim_end_matches('b').trim_end_matches('i') {
        "" if !unit.contains(['i', 'I']) => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).filter(|&bytes| bytes > 0).ok_or_else(wrong)
}

/// Parses a whole number of at least 1.
pub(super) fn count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "write a whole number from 1 on".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<'a>(pairs: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_first_variable_that_is_set_is_the_locale() {
        assert!(is_utf8(set(&[])));
        assert!(is_utf8(set(&[("LANG", "de_DE.utf8")])));
        assert!(!is_utf8(set(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")])));
        assert!(is_utf8(set(&[("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8"), ("LANG", "C")])));
        assert!(!is_utf8(set(&[("LANG", "POSIX")])));
    }

    #[test]
    fn the_environment_determines_the_number_of_colours() {
        assert_eq!(depth(set(&[("COLORTERM", "truecolor"), ("TERM", "xterm")])), Colours::True);
        assert_eq!(depth(set(&[("TERM", "screen-256color")])), Colours::Indexed);
        for term in ["linux", "xterm-16color", "ansi", "rxvt", "xterm", "", "no-such-terminal"] {
            assert_eq!(depth(set(&[("TERM", term)])), Colours::Sixteen, "{term}");
        }
        for term in ["vt100", "vt220", "dumb"] {
            assert_eq!(depth(set(&[("TERM", term), ("COLORTERM", "truecolor")])), Colours::None, "{term}");
        }
        assert_eq!(depth(set(&[("TERM", "xterm-direct")])), Colours::True);
        assert_eq!(background(Some("0;15")), Background::Light);
        assert_eq!(background(Some("15;default;0")), Background::Dark);
        assert_eq!(background(None), Background::Dark);
    }

    #[test]
    fn sizes() {
        for (text, bytes) in [("1", 1), ("2k", 2048), ("512MiB", 512 << 20), ("4GB", 4 << 30), ("1gib", 1 << 30)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "-1", "1.5G", "GiB", "1TiB", "99999999999999999999", "18446744073709551615k", "1i"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}

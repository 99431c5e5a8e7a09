//! The options that several commands have, and the environment variables for colours and characters.

use std::borrow::Cow;
use std::env;
use std::io::IsTerminal;
use std::num::NonZeroUsize;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser as _};

use super::user_settings::{BackgroundChoice, ColorChoice, UserSettings};
use crate::app::{Setting, Settings};
use crate::glyph;
use crate::number::Digits;
use crate::output;
use crate::scenario::Limits;
use crate::terminal::capability;
use crate::ui::RenderOptions;
use crate::ui::theme::{Background, Colours, Palette, Theme};

/// The options of the commands that draw the stepper.
#[derive(Debug, Default, Args)]
pub(super) struct DrawOptions {
    /// Count rows, columns, channels and subscripts from N: 0 or 1 [default: 1]. Addresses always count from 0
    #[arg(long, value_name = "N", value_parser = parse_index)]
    index: Option<usize>,
    /// The number of significant digits in matrices and equations, from 3 to 8 [default: 4]
    #[arg(long, value_name = "N", value_parser = parse_digits)]
    digits: Option<Digits>,
    /// Draw only the equation and the operands, as large as possible, for a projector
    #[arg(long)]
    zoom: bool,
}

impl DrawOptions {
    /// Applies the options to the settings of a stepper. If an option is missing, the user's settings decide.
    pub(super) fn apply(&self, user: &UserSettings, settings: &mut Settings) {
        settings.start_unit = user.unit;
        settings.digits = self.digits.unwrap_or(user.digits);
        settings.count_from(self.index.unwrap_or(user.index));
        settings.set(Setting::Zoom, self.zoom || user.zoom);
        settings.set(Setting::HeatMap, user.heat_map);
    }
}

/// Parses the value of `--index`.
fn parse_index(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n <= 1).ok_or_else(|| "write 0 or 1".to_owned())
}

/// Parses the value of `--digits`.
fn parse_digits(text: &str) -> Result<Digits, String> {
    let digits = text.parse().ok().and_then(Digits::new);
    digits.ok_or_else(|| format!("write a whole number from {} to {}", Digits::MIN, Digits::MAX))
}

/// The options that every command has.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(super) struct GlobalOptions {
    /// When to use colours; auto: on a terminal and in ANSI text, unless `NO_COLOR` is set, and in SVG [default: auto]
    #[arg(long, global = true, value_name = "WHEN")]
    color: Option<ColorChoice>,
    /// Draw and print only ASCII characters; the default in a locale that is not UTF-8
    #[arg(long, global = true)]
    ascii: bool,
    /// The terminal's background [default: from COLORFGBG, otherwise dark]
    #[arg(long, global = true, value_name = "BACKGROUND")]
    background: Option<BackgroundChoice>,
    /// The colours of negative and positive numbers [default: red-purple]
    #[arg(long, global = true, value_name = "PALETTE", value_parser = PossibleValuesParser::new(Palette::ALL.map(Palette::name))
        .map(|name| Palette::named(&name).unwrap_or_default()))]
    palette: Option<Palette>,
    /// Do not use the mouse, so that the terminal can select text with it
    #[arg(long, global = true)]
    pub(super) no_mouse: bool,
    /// The largest amount of memory for a scenario's tensors, such as 512MiB or 4GiB
    #[arg(long, global = true, value_name = "SIZE", default_value = "1GiB", value_parser = parse_bytes)]
    memory_limit: u64,
    /// The number of threads that compute; it does not change the results [default: one per core]
    #[arg(long, global = true, value_name = "N", value_parser = parse_count)]
    pub(super) threads: Option<NonZeroUsize>,
}

impl GlobalOptions {
    /// The limits for reading a scenario.
    pub(super) fn limits(&self) -> Limits {
        Limits { memory: self.memory_limit }
    }

    /// Returns these options. If an option is missing, it has the value of the settings file.
    pub(super) fn with(&self, user: &UserSettings) -> Self {
        let mut options = self.clone();
        options.color = self.color.or(user.color);
        options.background = self.background.or(user.background);
        options.palette = self.palette.or(Some(user.palette));
        options.ascii |= user.ascii;
        options.no_mouse |= !user.mouse;
        options
    }

    /// Returns the value of `--color`.
    fn color(&self) -> ColorChoice {
        self.color.unwrap_or_default()
    }

    /// Returns whether only ASCII characters are printed.
    pub(super) fn is_ascii(&self) -> bool {
        self.ascii || is_ascii_locale()
    }

    /// Returns a text for people. If [`Self::is_ascii`] is `true`, it is translated to ASCII.
    pub(super) fn in_charset<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_ascii() && !text.is_ascii() {
            // `ascii_text` replaces ESC, with which the escape sequences of colours begin, so only the texts between two ESC are translated
            let between_escapes: Vec<String> = text.split('\u{1b}').map(glyph::ascii_text).collect();
            return Cow::Owned(between_escapes.join("\u{1b}"));
        }
        Cow::Borrowed(text)
    }

    /// Prints a line for the user on stderr.
    pub(super) fn report(&self, message: &str) -> anyhow::Result<()> {
        let mut to = output::stderr();
        writeln!(to, "{}", self.in_charset(message))?;
        to.finish()
    }

    /// `true` if output to a stream is coloured.
    pub(super) fn has_colours(&self, stream: &impl IsTerminal) -> bool {
        match self.color() {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => stream.is_terminal() && wants_colours(),
        }
    }

    /// The render options of the stepper in the terminal.
    pub(super) fn for_stepper(&self) -> RenderOptions {
        let colours = match self.color() {
            ColorChoice::Never => Colours::None,
            ColorChoice::Auto if !wants_colours() => Colours::None,
            _ => self.terminal_colours(),
        };
        self.render_options(colours)
    }

    /// The render options of a frame that is printed as plain text.
    pub(super) fn for_plain_text(&self) -> RenderOptions {
        self.render_options(Colours::None)
    }

    /// The render options of a frame that is printed as text with escape sequences. With `--color never`, or with `auto` and `NO_COLOR`, it has no colours.
    /// Otherwise it has the terminal's colours on a terminal, and all colours in a file or a pipe.
    pub(super) fn for_ansi_text(&self, to_stdout: bool) -> RenderOptions {
        if self.color() == ColorChoice::Never || (self.color() == ColorChoice::Auto && no_color()) {
            return self.for_plain_text();
        }
        let to_terminal = to_stdout && stdout_is_terminal();
        self.render_options(if to_terminal { self.terminal_colours() } else { Colours::True })
    }

    /// The colours of the terminal. If it has none, `--color always` uses 16 colours.
    fn terminal_colours(&self) -> Colours {
        match colour_depth(|name| env::var(name).ok()) {
            Colours::None if self.color() == ColorChoice::Always => Colours::Sixteen,
            colours => colours,
        }
    }

    /// The render options of an SVG picture, which has all colours unless `--color never` is given.
    pub(super) fn for_svg(&self) -> RenderOptions {
        self.render_options(if self.color() == ColorChoice::Never { Colours::None } else { Colours::True })
    }

    /// The render options with these colours; the background, the palette and the characters follow from the options and the environment.
    fn render_options(&self, colours: Colours) -> RenderOptions {
        let background = match self.background {
            Some(BackgroundChoice::Light) => Background::Light,
            Some(BackgroundChoice::Dark) => Background::Dark,
            None => background(env::var("COLORFGBG").ok().as_deref()),
        };
        RenderOptions { theme: Theme::new(colours, background).with_palette(self.palette.unwrap_or_default()), ascii: self.is_ascii() }
    }
}

/// `true` if the standard output is a terminal.
pub(super) fn stdout_is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// `true` if the environment variable `NO_COLOR` is set and not empty.
fn no_color() -> bool {
    env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
}

/// `true` if `NO_COLOR` is not set and the terminal has colours.
pub(super) fn wants_colours() -> bool {
    !no_color() && colour_depth(|name| env::var(name).ok()) != Colours::None
}

/// The number of colours of the terminal, from its terminfo entry. `variable` returns the value of an environment variable.
///
/// A terminal with fewer than 8 colours counts as one without colours. For any other, `COLORTERM=truecolor` or a name such as `xterm-direct` or
/// `screen-256color` means that it has more colours than its entry says. A terminal with 8 to 255 colours or without an entry is assumed to have 16.
fn colour_depth(variable: impl Fn(&str) -> Option<String>) -> Colours {
    let term = variable("TERM").unwrap_or_default();
    let colours = capability::colours(&term);
    let contains = |value: &str, words: &[&str]| words.iter().any(|word| value.contains(word));
    match colours {
        // fewer than 8 colours are not used
        Some(..8) => Colours::None,
        _ if variable("COLORTERM").is_some_and(|value| contains(&value, &["truecolor", "24bit"]))
            || contains(&term, &["-direct", "truecolor"]) =>
        {
            Colours::True
        }
        // 2²⁴: red, green and blue have 8 bits each
        Some(0x0100_0000..) => Colours::True,
        Some(256..) => Colours::Indexed,
        _ if contains(&term, &["256color"]) => Colours::Indexed,
        _ => Colours::Sixteen,
    }
}

/// `true` if the environment sets a locale that is not UTF-8.
pub(super) fn is_ascii_locale() -> bool {
    !is_utf8(|name| env::var(name).ok())
}

/// `true` if the locale is UTF-8 or not set. `variable` returns the value of an environment variable.
fn is_utf8(variable: impl Fn(&str) -> Option<String>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(variable).find(|value| !value.is_empty());
    locale.is_none_or(|locale| {
        let locale = locale.to_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}

/// Returns the background for a value of `COLORFGBG`. `15;0` means foreground 15 and background 0. The light backgrounds are 7 (light grey) and 15 (white).
fn background(colorfgbg: Option<&str>) -> Background {
    match colorfgbg.and_then(|colours| colours.rsplit(';').next()) {
        Some("7" | "15") => Background::Light,
        _ => Background::Dark,
    }
}

/// Parses a number of bytes: `1048576`, `512MiB`, `4G`.
fn parse_bytes(text: &str) -> Result<u64, String> {
    let wrong = || "write a number of bytes, KiB, MiB or GiB, such as 512MiB".to_owned();
    let digits_len = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_len);
    let shift = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "ki" | "kib" => 10,
        "m" | "mb" | "mi" | "mib" => 20,
        "g" | "gb" | "gi" | "gib" => 30,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    number.checked_mul(1 << shift).filter(|&bytes| bytes > 0).ok_or_else(wrong)
}

/// Parses a whole number of at least 1.
pub(super) fn parse_count(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "write a whole number of at least 1".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An environment with these variables.
    fn environment<'a>(pairs: &'a [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'a {
        move |name| pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn the_first_variable_that_is_set_is_the_locale() {
        assert!(is_utf8(environment(&[])));
        assert!(is_utf8(environment(&[("LANG", "de_DE.utf8")])));
        assert!(!is_utf8(environment(&[("LC_ALL", "C"), ("LANG", "en_US.UTF-8")])));
        assert!(is_utf8(environment(&[("LC_ALL", ""), ("LC_CTYPE", "C.UTF-8"), ("LANG", "C")])));
        assert!(!is_utf8(environment(&[("LANG", "POSIX")])));
    }

    #[test]
    fn colours_and_background_come_from_the_environment() {
        assert_eq!(colour_depth(environment(&[("COLORTERM", "truecolor"), ("TERM", "xterm")])), Colours::True);
        assert_eq!(colour_depth(environment(&[("TERM", "screen-256color")])), Colours::Indexed);
        for term in ["linux", "xterm-16color", "ansi", "rxvt", "xterm", "", "no-such-terminal"] {
            assert_eq!(colour_depth(environment(&[("TERM", term)])), Colours::Sixteen, "{term}");
        }
        for term in ["vt100", "vt220", "dumb"] {
            assert_eq!(colour_depth(environment(&[("TERM", term), ("COLORTERM", "truecolor")])), Colours::None, "{term}");
        }
        assert_eq!(colour_depth(environment(&[("TERM", "xterm-direct")])), Colours::True);
        assert_eq!(background(Some("0;15")), Background::Light);
        assert_eq!(background(Some("15;default;0")), Background::Dark);
        assert_eq!(background(None), Background::Dark);
    }

    #[test]
    fn bytes_have_an_optional_unit() {
        for (text, bytes) in
            [("1", 1), ("1b", 1), ("2k", 2048), ("512MiB", 512 << 20), ("3Mi", 3 << 20), ("4GB", 4 << 30), ("1gib", 1 << 30)]
        {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
        let wrong_units = ["1TiB", "1i", "1ib", "1bb", "1mbb", "1kii", "1kiib", "1kbi"];
        for text in ["", "0", "-1", "1.5G", "GiB", "99999999999999999999", "18446744073709551615k"].into_iter().chain(wrong_units) {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
    }
}

//! The settings file, `$XDG_CONFIG_HOME/gradstep/settings.toml` or `~/.config/gradstep/settings.toml`. Only the stepper in the terminal applies it, so the
//! output of the commands and the answers of the plain mode do not depend on it. (`gradstep settings` only reports its faults.) An option of the command line
//! has precedence over the file. A fault in the file is reported, and the faulty setting is ignored. If the file is not valid TOML, all of it is ignored.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::journal::base_folder;
use super::read::{display_name, read_file};
use crate::app::Focus;
use crate::keys::{self, Key};
use crate::number::Digits;
use crate::step::Unit;
use crate::text::line;
use crate::ui::theme::Palette;
use crate::words::suggest;

/// The size of the largest file that is read, in bytes.
const MAX_BYTES: usize = 64 << 10;
/// The name of the table with the user's own keys of the keyboard.
const KEYS: &str = "keys";

/// The condition for colours: the value of `color` and of `--color`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    #[default]
    Auto,
    Always,
    Never,
}

/// The background: the value of `--background`, or of `background` in the file unless it is "auto".
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum BackgroundChoice {
    Dark,
    Light,
}

/// The settings of the user.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a key of the file")]
pub(super) struct UserSettings {
    /// The background; `None` to take it from the environment.
    pub background: Option<BackgroundChoice>,
    /// The condition for colours; `None` for the default of `--color`.
    pub color: Option<ColorChoice>,
    pub palette: Palette,
    pub digits: Digits,
    pub index: usize,
    pub unit: Unit,
    pub mouse: bool,
    pub ascii: bool,
    pub zoom: bool,
    pub heat_map: bool,
    /// The user's own keys, each with the built-in key for which it stands.
    pub aliases: Vec<(Key, Key)>,
}

impl Default for UserSettings {
    fn default() -> Self {
        Self {
            background: None,
            color: None,
            palette: Palette::default(),
            digits: Digits::default(),
            index: 1,
            unit: Unit::Step,
            mouse: true,
            ascii: false,
            zoom: false,
            heat_map: false,
            aliases: Vec::new(),
        }
    }
}

/// A setting of the file.
pub(super) struct SettingRow {
    /// The name in the file.
    pub name: &'static str,
    /// The default value, as TOML.
    pub default: &'static str,
    /// The comment above the setting in the output of `gradstep settings`.
    pub comment: &'static str,
    /// The allowed values, for an error message.
    expected: &'static str,
    /// Sets the value; `None` if the value is not allowed.
    set: fn(&mut UserSettings, &DeValue<'_>) -> Option<()>,
}

/// All settings, in the order in which they are printed.
#[rustfmt::skip]
pub(super) static SETTINGS: &[SettingRow] = &[
    SettingRow { name: "background", default: "\"auto\"", comment: "the terminal's background: \"auto\" (from COLORFGBG, otherwise dark), \"dark\" or \"light\"", expected: "\"auto\", \"dark\" or \"light\"",
        set: |user, value| { user.background = if value.as_str()? == "auto" { None } else { Some(BackgroundChoice::from_str(value.as_str()?, false).ok()?) }; Some(()) } },
    SettingRow { name: "color", default: "\"auto\"", comment: "colours: \"auto\" (on a terminal, unless NO_COLOR is set), \"always\" or \"never\"", expected: "\"auto\", \"always\" or \"never\"",
        set: |user, value| { user.color = Some(ColorChoice::from_str(value.as_str()?, false).ok()?); Some(()) } },
    SettingRow { name: "palette", default: "\"red-purple\"", comment: "the colours of negative and of positive numbers: \"red-purple\", \"red-blue\" or \"purple-green\"", expected: "\"red-purple\", \"red-blue\" or \"purple-green\"",
        set: |user, value| { user.palette = value.as_str().and_then(Palette::named)?; Some(()) } },
    SettingRow { name: "digits", default: "4", comment: "the number of significant digits in matrices and equations, from 3 to 8; whole numbers can have more", expected: "a whole number from 3 to 8",
        set: |user, value| { user.digits = value.as_integer().and_then(|integer| Digits::new(integer.as_str().parse().ok()?))?; Some(()) } },
    SettingRow { name: "index", default: "1", comment: "the number from which subscripts, headings and channels count: 0 or 1", expected: "0 or 1",
        set: |user, value| { user.index = ["0", "1"].iter().position(|digit| value.as_integer().is_some_and(|integer| integer.as_str() == *digit))?; Some(()) } },
    SettingRow { name: "unit", default: "\"step\"", comment: "the unit by which the keys l and h move at first: \"step\", \"entry\", \"op\", \"pass\", \"sample\" or \"iteration\"", expected: "\"step\", \"entry\", \"op\", \"pass\", \"sample\" or \"iteration\"",
        set: |user, value| { user.unit = value.as_str().and_then(Unit::named)?; Some(()) } },
    SettingRow { name: "mouse", default: "true", comment: "whether clicks and the wheel are used; false lets the terminal select text", expected: "true or false",
        set: |user, value| { user.mouse = value.as_bool()?; Some(()) } },
    SettingRow { name: "ascii", default: "false", comment: "whether only ASCII characters are drawn", expected: "true or false",
        set: |user, value| { user.ascii = value.as_bool()?; Some(()) } },
    SettingRow { name: "zoom", default: "false", comment: "whether the equation and the operands are drawn alone, in large characters (key Z)", expected: "true or false",
        set: |user, value| { user.zoom = value.as_bool()?; Some(()) } },
    SettingRow { name: "heat_map", default: "false", comment: "whether large matrices are drawn as heat maps (key H)", expected: "true or false",
        set: |user, value| { user.heat_map = value.as_bool()?; Some(()) } },
];

/// A fault in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SettingsFault {
    /// The name of the file.
    file: String,
    /// The line and the column, from 1; `None` for a fault of the whole file.
    place: Option<(usize, usize)>,
    message: String,
}

impl fmt::Display for SettingsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Some((line, column)) => write!(f, "{}, line {line}, column {column}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// Returns the path of the file; `None` if there is no home folder.
pub(super) fn path() -> Option<PathBuf> {
    Some(base_folder("XDG_CONFIG_HOME", ".config")?.join("settings.toml"))
}

/// Reads the file. If a setting is missing or wrong, it has its default.
pub(super) fn read() -> (UserSettings, Vec<SettingsFault>) {
    let Some(path) = path().filter(|path| path.symlink_metadata().is_ok()) else { return Default::default() };
    let text = read_file(&path, MAX_BYTES).map_err(|error| format!("{error:#}"));
    let text = text.and_then(|bytes| String::from_utf8(bytes).map_err(|_| "the settings are not UTF-8 text".to_owned()));
    match text {
        Ok(text) => parse(&path, &text),
        Err(message) => (UserSettings::default(), vec![SettingsFault { file: display_name(&path), place: None, message }]),
    }
}

/// Parses the text of a file.
fn parse(path: &Path, text: &str) -> (UserSettings, Vec<SettingsFault>) {
    let mut user = UserSettings::default();
    let mut faults = Vec::new();
    let mut report = |span: Range<usize>, message: String| {
        faults.push(SettingsFault { file: display_name(path), place: Some(place(text, span.start)), message });
    };
    match DeTable::parse(text) {
        Ok(table) => {
            for (name, value) in table.get_ref() {
                match (SETTINGS.iter().find(|row| row.name == name.get_ref()), value.get_ref()) {
                    (Some(row), found) => {
                        let is_set = (row.set)(&mut user, found).is_some();
                        if !is_set {
                            report(value.span(), format!("{} is {}", row.name, row.expected));
                        }
                    }
                    (None, DeValue::Table(aliases)) if name.get_ref() == KEYS => {
                        for (key, acts_as) in aliases {
                            match alias(key, acts_as) {
                                Ok(alias) => user.aliases.push(alias),
                                Err((span, why)) => report(span, why),
                            }
                        }
                    }
                    (None, _) if name.get_ref() == KEYS => report(value.span(), "[keys] is a table of keys, such as n = \"l\"".to_owned()),
                    (None, _) => {
                        let names: Vec<&str> = SETTINGS.iter().map(|row| row.name).chain([KEYS]).collect();
                        let help = suggest::help(name.get_ref(), &names);
                        report(name.span(), format!("there is no setting \"{}\": {help}", line(name.get_ref())));
                    }
                }
            }
        }
        Err(error) => report(error.span().unwrap_or(0..0), line(error.message())),
    }
    (user, faults)
}

/// Returns a key of the user, and the key for which it stands.
///
/// # Errors
/// The range of the wrong text, and a sentence about it.
fn alias(name: &Spanned<std::borrow::Cow<'_, str>>, acts_as: &Spanned<DeValue<'_>>) -> Result<(Key, Key), (Range<usize>, String)> {
    let one_key = |text: &str| match keys::parse(text).ok()?[..] {
        [key] => Some(key),
        _ => None,
    };
    let key = one_key(name.get_ref());
    let key = key.ok_or_else(|| (name.span(), format!("\"{}\" is not one key; write n, or \"<C-x>\" in quotes", line(name.get_ref()))))?;
    let is_bound = |key: &Key| keys::rows(Focus::Normal).any(|row| row.keys.iter().any(|text| one_key(text) == Some(*key)));
    let acts_as_key = acts_as.get_ref().as_str().and_then(one_key).filter(is_bound);
    let acts_as_key =
        acts_as_key.ok_or_else(|| (acts_as.span(), "write a key of the stepper in quotes, such as \"l\" or \"<Right>\"".to_owned()))?;
    Ok((key, acts_as_key))
}

/// Returns the line and the column, from 1, of the byte at an offset of a text.
fn place(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Code;

    fn parsed(text: &str) -> (UserSettings, Vec<String>) {
        let (user, faults) = parse(Path::new("settings.toml"), text);
        (user, faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_setting_is_read() {
        let text = "background = \"light\"\ncolor = \"never\"\npalette = \"red-blue\"\ndigits = 6\nindex = 0\nunit = \"op\"\nmouse = false\nascii = true\nzoom = true\nheat_map = true\n\
            [keys]\nn = \"l\"\n\"<C-x>\" = \"<Space>\"\n";
        let key = |c: char| Key::from(Code::Char(c));
        let user = UserSettings {
            background: Some(BackgroundChoice::Light),
            color: Some(ColorChoice::Never),
            palette: Palette::RedBlue,
            digits: Digits::new(6).unwrap(),
            index: 0,
            unit: Unit::Op,
            mouse: false,
            ascii: true,
            zoom: true,
            heat_map: true,
            aliases: vec![(key('n'), key('l')), (keys::parse("<C-x>").unwrap()[0], key(' '))],
        };
        assert_eq!(parsed(text), (user, Vec::new()));
        assert_eq!(parsed(""), Default::default());
    }

    #[test]
    fn the_printed_defaults_are_the_defaults() {
        let lines: Vec<String> = SETTINGS.iter().map(|row| format!("{} = {}", row.name, row.default)).collect();
        let (user, faults) = parsed(&lines.join("\n"));
        assert_eq!(faults, Vec::<String>::new());
        // `None` is the default of `--color`; the file writes it as "auto"
        assert_eq!(user.color, Some(ColorChoice::default()));
        assert_eq!(UserSettings { color: None, ..user }, UserSettings::default());
    }

    #[test]
    fn a_fault_has_its_position_and_the_other_settings_are_used() {
        for (text, fault) in [
            ("backgruond = \"dark\"", "line 2, column 1: there is no setting \"backgruond\": did you mean \"background\"?"),
            ("unit = \"ops\"", "line 2, column 8: unit is \"step\", \"entry\", \"op\", \"pass\", \"sample\" or \"iteration\""),
            ("index = 2", "line 2, column 9: index is 0 or 1"),
            ("digits = 2", "line 2, column 10: digits is a whole number from 3 to 8"),
            ("digits = 4.0", "line 2, column 10: digits is a whole number from 3 to 8"),
            ("digits = -4", "line 2, column 10: digits is a whole number from 3 to 8"),
            ("palette = \"red\"", "line 2, column 11: palette is \"red-purple\", \"red-blue\" or \"purple-green\""),
            ("mouse = \"no\"", "line 2, column 9: mouse is true or false"),
            ("keys = 3", "line 2, column 8: [keys] is a table of keys, such as n = \"l\""),
            ("[keys]\nnn = \"l\"", "line 3, column 1: \"nn\" is not one key; write n, or \"<C-x>\" in quotes"),
            ("[keys]\nn = \"<F5>\"", "line 3, column 5: write a key of the stepper in quotes, such as \"l\" or \"<Right>\""),
        ] {
            let (user, faults) = parsed(&format!("zoom = true\n{text}\n"));
            assert_eq!(faults, [format!("settings.toml, {fault}")]);
            assert_eq!(user, UserSettings { zoom: true, ..UserSettings::default() }, "{text}");
        }
        // this is not valid TOML, so `zoom` is ignored too
        let (user, faults) = parsed("zoom = true\nindex = \n");
        assert_eq!((user, faults.len()), (UserSettings::default(), 1));
        assert!(faults[0].starts_with("settings.toml, line 2, column 9: "), "{faults:?}");
    }
}

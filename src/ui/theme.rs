//! Styles by role. Code that draws names a role, such as the current step, a result or an error. Only this module decides the style of a role.
//!
//! Plain text has the terminal's colours. A style with a background also sets the foreground, so that its text is readable even if the brightness of the
//! terminal's background is not detected correctly. On a terminal without colours, roles differ by modifiers such as bold, underlined and reversed.

mod palette;

use ratatui::style::{Color, Modifier, Style};

pub use palette::Palette;

/// The colours that the terminal supports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colours {
    /// 24-bit colours.
    #[default]
    True,
    /// The 256 colours of xterm: a cube of colours, and greys.
    Indexed,
    /// The terminal's sixteen colours.
    Sixteen,
    /// No colours, only modifiers such as bold, underlined and reversed.
    None,
}

/// The brightness of the terminal's background.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Background {
    /// Light text on dark.
    #[default]
    Dark,
    /// Dark text on light.
    Light,
}

/// The role of a text or a sign on the screen, which decides its style.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StyleRole {
    /// Running text, in the terminal's default style.
    Plain,
    /// The forward pass: grey, as in the figures of V. Petersen's series.
    Forward,
    /// The backward pass: blue.
    Backward,
    /// A factor of the current step: the accent colour.
    Step,
    /// An entry that only other terms of the current entry read: w₁ and x₁ in the step of w₀ x₀, if the current entry is w₀ x₀ + w₁ x₁.
    Entry,
    /// The entry that is being computed.
    Result,
    /// Indices, borders, and numbers that are not computed yet.
    Dim,
    /// The name of a pane or a tensor.
    Heading,
    /// The status line.
    Status,
    /// The action of a key in the key bar.
    KeyBar,
    /// A key in the key bar.
    Key,
    /// An error.
    Error,
    /// A remark from the scenario's file.
    Note,
}

/// The properties of the terminal and of the user's settings on which styles depend.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Theme {
    /// The supported colours.
    pub colours: Colours,
    /// The brightness of the background.
    pub background: Background,
    /// The colours of signed numbers.
    pub palette: Palette,
}

/// Red, green and blue.
pub(super) type Rgb = [u8; 3];

/// The number of colours of shared weights.
pub const SHARED_COLOURS: usize = 9;

/// The colours of shared weights, each for a dark and for a light background. Most are from Paul Tol's *muted* scheme, which colour-blind people can
/// distinguish. Its colour sand is left out, because it is similar to the accent colour of the current step.
const SHARED: [(Rgb, Rgb); SHARED_COLOURS] = [
    ([0x88, 0xcc, 0xee], [0x0b, 0x6f, 0xa4]),
    ([0xcc, 0x66, 0x77], [0xb0, 0x3a, 0x50]),
    ([0xb8, 0xe0, 0x7a], [0x5a, 0x6e, 0x00]),
    ([0x2f, 0xa8, 0x64], [0x11, 0x77, 0x33]),
    ([0x8f, 0x84, 0xe8], [0x33, 0x22, 0x88]),
    ([0x44, 0xaa, 0x99], [0x00, 0x6b, 0x63]),
    ([0xc4, 0x64, 0xb4], [0x88, 0x22, 0x77]),
    ([0xf0, 0xa8, 0xc8], [0xd0, 0x10, 0x7a]),
    ([0xc8, 0xc8, 0xc8], [0x50, 0x50, 0x50]),
];
/// The colours of [`SHARED`] for the dark background of [`StyleRole::Entry`], on which some of those would be hard to read.
const SHARED_ON_ENTRY: [Rgb; SHARED_COLOURS] = [
    [0x88, 0xcc, 0xee],
    [0xe2, 0x8f, 0x95],
    [0xb8, 0xe0, 0x7a],
    [0x4c, 0xc0, 0x7a],
    [0xa0, 0x95, 0xf0],
    [0x52, 0xb8, 0xbc],
    [0xd4, 0x88, 0xdc],
    [0xff, 0xc4, 0xdc],
    [0xd0, 0xd0, 0xd0],
];
/// The colours of shared weights on terminals with sixteen colours, each for a dark and for a light background.
const SHARED_SIXTEEN: [(Color, Color); SHARED_COLOURS] = [
    (Color::LightCyan, Color::Blue),
    (Color::LightRed, Color::Red),
    (Color::Green, Color::Black),
    (Color::LightGreen, Color::Green),
    (Color::LightBlue, Color::LightBlue),
    (Color::Cyan, Color::Cyan),
    (Color::LightMagenta, Color::Magenta),
    (Color::Magenta, Color::LightRed),
    (Color::White, Color::DarkGray),
];
/// The modifiers that distinguish shared weights on a terminal without colours.
const SHARED_MODIFIERS: [Modifier; 4] =
    [Modifier::empty(), Modifier::BOLD, Modifier::UNDERLINED, Modifier::BOLD.union(Modifier::UNDERLINED)];

/// The lowest point of the scale (0 to 1) for a number other than 0. The sign would not be visible at a lower point.
const MIN_HEAT: f64 = 0.15;

impl Theme {
    /// Returns the theme for a terminal.
    #[must_use]
    pub const fn new(colours: Colours, background: Background) -> Self {
        Self { colours, background, palette: Palette::RedPurple }
    }

    /// Returns the same theme with a palette of signed numbers.
    #[must_use]
    pub const fn with_palette(self, palette: Palette) -> Self {
        Self { palette, ..self }
    }

    /// Returns the style of a role.
    #[must_use]
    pub fn style(&self, role: StyleRole) -> Style {
        let plain = Style::new();
        let has_colours = !matches!(self.colours, Colours::None);
        match role {
            StyleRole::Plain => plain,
            StyleRole::Forward => self.fg(([0xa8, 0xa8, 0xa8], [0x58, 0x58, 0x58]), (Color::Gray, Color::DarkGray)),
            StyleRole::Backward => self.fg(([0x6c, 0xa8, 0xf0], [0x1f, 0x5f, 0xbf]), (Color::LightBlue, Color::Blue)),
            StyleRole::Step if !has_colours => plain.reversed().bold(),
            StyleRole::Step => self
                .fg_and_bg(
                    (([0x1c, 0x16, 0x00], [0xff, 0xc2, 0x2e]), ([0x1c, 0x16, 0x00], [0xff, 0xc8, 0x3d])),
                    (Color::Black, Color::Yellow),
                )
                .bold(),
            StyleRole::Entry => match self.colours {
                Colours::Sixteen | Colours::None => plain.underlined(),
                _ => self.fg_and_bg(
                    (([0xf4, 0xe6, 0xc0], [0x43, 0x38, 0x1c]), ([0x3a, 0x2c, 0x06], [0xff, 0xef, 0xc6])),
                    (Color::Reset, Color::Reset),
                ),
            },
            StyleRole::Result if !has_colours => plain.bold().underlined(),
            StyleRole::Result => self.fg(([0xff, 0xc2, 0x2e], [0x8f, 0x55, 0x00]), (Color::Yellow, Color::Reset)).bold().underlined(),
            StyleRole::Dim => match self.colours {
                Colours::None => plain.dim(),
                _ => self.fg(([0x88, 0x8c, 0x94], [0x70, 0x73, 0x79]), (Color::DarkGray, Color::DarkGray)),
            },
            StyleRole::Heading | StyleRole::Key => plain.bold(),
            StyleRole::Status => plain.reversed(),
            StyleRole::KeyBar => self.style(StyleRole::Dim),
            StyleRole::Error if !has_colours => plain.bold().reversed(),
            StyleRole::Error => self.fg(([0xff, 0x7b, 0x72], [0xb4, 0x23, 0x18]), (Color::LightRed, Color::Red)).bold(),
            StyleRole::Note => self.fg(([0x8f, 0xc7, 0xa8], [0x2c, 0x6e, 0x49]), (Color::Green, Color::Green)).italic(),
        }
    }

    /// Returns the style of the shared weights with the colour of index `i`. On a terminal without colours, there are only four styles.
    #[must_use]
    pub fn shared(&self, i: usize) -> Style {
        match self.colours {
            Colours::None => Style::new().add_modifier(SHARED_MODIFIERS[i % SHARED_MODIFIERS.len()]),
            _ => self.fg(SHARED[i % SHARED_COLOURS], SHARED_SIXTEEN[i % SHARED_COLOURS]),
        }
    }

    /// Returns the style of a shared weight that only other terms of the current entry read: a variant of its colour on the background of [`StyleRole::Entry`].
    #[must_use]
    pub fn shared_on_entry(&self, i: usize) -> Style {
        let entry = self.style(StyleRole::Entry);
        match (self.colours, self.background) {
            (Colours::True | Colours::Indexed, Background::Dark) => entry.fg(self.terminal_colour(SHARED_ON_ENTRY[i % SHARED_COLOURS])),
            _ => entry.patch(self.shared(i)),
        }
    }

    /// Returns the style of the lines in the picture of the network that belong to a shared weight but not to the current entry: a fainter variant of the
    /// weight's colour.
    #[must_use]
    pub fn shared_faint(&self, i: usize) -> Style {
        let (dark, light) = SHARED[i % SHARED_COLOURS];
        match self.colours {
            Colours::True | Colours::Indexed => self.fg((faint(dark, 0x16), faint(light, 0xff)), (Color::Reset, Color::Reset)),
            _ => self.shared(i).dim(),
        }
    }

    /// Returns the style of a value on a scale up to the absolute value `max`. By default, numbers below zero are red and numbers above zero are purple,
    /// stronger for larger absolute values. With sixteen colours, only the upper half of the scale has colours, and cyan replaces purple. Values that are not
    /// finite have the style of an error.
    #[must_use]
    pub fn heat(&self, value: f64, max: f64) -> Style {
        if !value.is_finite() {
            return self.style(StyleRole::Error);
        }
        if value == 0.0 || max.is_nan() || max <= 0.0 || self.colours == Colours::None {
            return Style::new();
        }
        // the point on the scale, 0 to 1
        let point = (value.abs() / max).clamp(MIN_HEAT, 1.0);
        if self.colours == Colours::Sixteen {
            let (fg, bg) = self.palette.scales().sixteen[usize::from(value > 0.0)];
            return if point < 0.5 { Style::new() } else { Style::new().fg(fg).bg(bg) };
        }
        let back = self.shown_rgb(interpolated(self.scale(value), point));
        Style::new().bg(self.terminal_colour(back)).fg(self.terminal_colour(readable_on(back)))
    }

    /// Returns the colour of a value in an image, on the scale of [`Theme::heat`]. In an image, 0 has a colour too. Returns `None` if the terminal has at most
    /// sixteen colours.
    #[must_use]
    pub fn heat_colour(&self, value: f64, max: f64) -> Option<Color> {
        if matches!(self.colours, Colours::Sixteen | Colours::None) {
            return None;
        }
        if !value.is_finite() {
            return self.style(StyleRole::Error).fg;
        }
        let point = if value == 0.0 || max.is_nan() || max <= 0.0 { 0.0 } else { (value.abs() / max).clamp(MIN_HEAT, 1.0) };
        Some(self.terminal_colour(interpolated(self.scale(value), point)))
    }

    /// Returns the scale for the sign of a value and for the background.
    fn scale(self, value: f64) -> &'static [Rgb; 4] {
        let scales = self.palette.scales();
        let of_sign = if value < 0.0 { &scales.negative } else { &scales.positive };
        &of_sign[usize::from(self.background == Background::Light)]
    }

    /// Returns a style with a foreground. Both pairs have a colour for a dark and one for a light background.
    fn fg(self, rgb: (Rgb, Rgb), sixteen: (Color, Color)) -> Style {
        let dark = self.background == Background::Dark;
        match self.colours {
            Colours::None => Style::new(),
            Colours::Sixteen => Style::new().fg(if dark { sixteen.0 } else { sixteen.1 }),
            _ => Style::new().fg(self.terminal_colour(if dark { rgb.0 } else { rgb.1 })),
        }
    }

    /// Returns a style with a foreground and a background. The RGB pairs are for a dark and for a light background; the pair of sixteen colours is for both.
    fn fg_and_bg(self, rgb: ((Rgb, Rgb), (Rgb, Rgb)), sixteen: (Color, Color)) -> Style {
        let (fg, bg) = if self.background == Background::Dark { rgb.0 } else { rgb.1 };
        match self.colours {
            Colours::None => Style::new(),
            Colours::Sixteen => Style::new().fg(sixteen.0).bg(sixteen.1),
            _ => Style::new().fg(self.terminal_colour(fg)).bg(self.terminal_colour(bg)),
        }
    }

    /// Converts a colour to the colour depth of the terminal.
    fn terminal_colour(self, rgb: Rgb) -> Color {
        match self.colours {
            Colours::Indexed => Color::Indexed(nearest(rgb)),
            _ => Color::Rgb(rgb[0], rgb[1], rgb[2]),
        }
    }

    /// Returns the colour that the terminal shows for `rgb`.
    fn shown_rgb(self, rgb: Rgb) -> Rgb {
        if self.colours == Colours::Indexed { indexed(nearest(rgb)) } else { rgb }
    }
}

/// Returns the colour at a point of a scale, 0 to 1, by linear interpolation between its four colours.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 255, and 0 and 3")]
fn interpolated(scale: &[Rgb; 4], point: f64) -> Rgb {
    let at = point * 3.0;
    let i = (at as usize).min(2);
    let t = at - [0.0, 1.0, 2.0][i];
    std::array::from_fn(|c| {
        let (a, b) = (f64::from(scale[i][c]), f64::from(scale[i + 1][c]));
        (a + (b - a) * t).round() as u8
    })
}

/// Returns a colour that is mixed with one fifth of a grey. All three channels of the grey have the value `grey`.
fn faint(colour: Rgb, grey: u8) -> Rgb {
    colour.map(|c| u8::try_from((4 * u16::from(c) + u16::from(grey)) / 5).unwrap_or(grey))
}

/// Returns a dark or a light foreground, depending on which is readable on the background.
fn readable_on(back: Rgb) -> Rgb {
    // an estimate of the relative luminance: the light of a channel is about the square of its value, and red, green and blue count 21, 72 and 7 %. Above a
    // luminance of 20 %, the text is dark
    let [r, g, b] = back.map(|c| u32::from(c) * u32::from(c));
    if 21 * r + 72 * g + 7 * b > 20 * 255 * 255 { [0x10, 0x10, 0x10] } else { [0xf2, 0xf2, 0xf2] }
}

/// The six levels of each channel in xterm's colour cube.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];

/// Returns the colour of an index in xterm's table of 256 colours, for indices from 16 on: first the cube of 216 colours, then 24 greys.
#[must_use]
pub fn indexed(index: u8) -> [u8; 3] {
    if index >= 232 {
        return [8 + 10 * (index - 232); 3];
    }
    let i = usize::from(index.saturating_sub(16));
    [LEVELS[i / 36 % 6], LEVELS[i / 6 % 6], LEVELS[i % 6]]
}

/// Returns the index of the nearest colour of xterm's cube and greys.
fn nearest(rgb: Rgb) -> u8 {
    let level = |c: u8| (0..6_u8).min_by_key(|&i| LEVELS[usize::from(i)].abs_diff(c)).unwrap_or(0);
    let [r, g, b] = rgb.map(level);
    let mean = rgb.iter().map(|&c| u16::from(c)).sum::<u16>() / 3;
    // grey n has the value 8 + 10 n; the nearest n is (mean − 8) / 10, rounded: (mean − 3) / 10, rounded down
    let grey = u8::try_from((mean.saturating_sub(3) / 10).min(23)).unwrap_or(23);
    let squared_distance = |i: u8| {
        let other = indexed(i);
        (0..3).map(|c| (i32::from(rgb[c]) - i32::from(other[c])).pow(2)).sum::<i32>()
    };
    let (cube, grey) = (16 + 36 * r + 6 * g + b, 232 + grey);
    if squared_distance(grey) < squared_distance(cube) { grey } else { cube }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first two have colours with fixed RGB values.
    const DEPTHS: [Colours; 4] = [Colours::True, Colours::Indexed, Colours::Sixteen, Colours::None];
    const GROUNDS: [Background; 2] = [Background::Dark, Background::Light];

    fn rgb(colour: Color) -> Rgb {
        match colour {
            Color::Rgb(r, g, b) => [r, g, b],
            Color::Indexed(i) => indexed(i),
            other => panic!("{other} has no fixed value"),
        }
    }

    /// Returns the relative luminance as WCAG defines it, 0 to 1.
    fn luminance(rgb: Rgb) -> f64 {
        let [r, g, b] = rgb.map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * r + 0.7152 * g + 0.0722 * b
    }

    /// Returns the contrast as WCAG defines it, 1 to 21. For text, WCAG recommends at least 4.5.
    fn contrast(a: Rgb, b: Rgb) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn a_number_on_the_background_of_heat_is_readable() {
        let themes = DEPTHS[..2].iter().flat_map(|&c| GROUNDS.map(|b| Theme::new(c, b)));
        for theme in themes.flat_map(|theme| Palette::ALL.map(|palette| theme.with_palette(palette))) {
            for v in -100..=100 {
                let style = theme.heat(f64::from(v), 100.0);
                if let (Some(fg), Some(bg)) = (style.fg, style.bg) {
                    assert!(contrast(rgb(fg), rgb(bg)) >= 4.0, "{theme:?} {v} {style:?}");
                }
                assert_eq!(style.fg.is_some(), style.bg.is_some());
            }
        }
    }

    #[test]
    fn roles_and_shared_weights_are_readable_on_their_background() {
        for theme in DEPTHS[..2].iter().flat_map(|&c| GROUNDS.map(|b| Theme::new(c, b))) {
            let ground = if theme.background == Background::Dark { [0x18; 3] } else { [0xff; 3] };
            for i in 0..SHARED_COLOURS {
                let fg = rgb(theme.shared(i).fg.unwrap());
                assert!(contrast(fg, ground) >= 4.5, "{theme:?} shared {i}");
                let faint = rgb(theme.shared_faint(i).fg.unwrap());
                assert!(contrast(faint, ground) >= 3.5, "{theme:?} faint {i}: {}", contrast(faint, ground));
                let on_entry = theme.shared_on_entry(i);
                let [fg_there, back] = [on_entry.fg, on_entry.bg].map(|colour| rgb(colour.unwrap()));
                assert!(contrast(fg_there, back) >= 4.4, "{theme:?} on an entry {i}: {}", contrast(fg_there, back));
                // if only 256 colours are supported, two similar colours may become the same
                assert!(faint != fg || theme.colours == Colours::Indexed, "{theme:?} faint {i}");
            }
            for role in [
                StyleRole::Forward,
                StyleRole::Backward,
                StyleRole::Step,
                StyleRole::Entry,
                StyleRole::Result,
                StyleRole::Dim,
                StyleRole::Error,
                StyleRole::Note,
            ] {
                let style = theme.style(role);
                let back = style.bg.map_or(ground, rgb);
                assert!(contrast(rgb(style.fg.unwrap()), back) >= 4.5, "{theme:?} {role:?}");
            }
        }
    }

    #[test]
    fn without_colours_the_roles_still_differ() {
        let theme = Theme::new(Colours::None, Background::Dark);
        let marks = [StyleRole::Plain, StyleRole::Step, StyleRole::Entry, StyleRole::Result].map(|r| theme.style(r));
        for (i, a) in marks.iter().enumerate() {
            assert_eq!((a.fg, a.bg), (None, None));
            assert!(marks[..i].iter().all(|b| a != b));
        }
        assert_eq!(theme.heat(-3.0, 4.0), Style::new());
        assert!((0..40).all(|i| theme.shared(i).fg.is_none()));
    }

    #[test]
    fn shared_weights_have_different_styles() {
        for theme in DEPTHS[..3].iter().flat_map(|&c| GROUNDS.map(|b| Theme::new(c, b))) {
            let styles: Vec<Style> = (0..SHARED_COLOURS).map(|i| theme.shared(i)).collect();
            for (i, a) in styles.iter().enumerate() {
                assert!(styles[..i].iter().all(|b| a != b), "{theme:?} {i}");
            }
            let on_entry: Vec<Style> = (0..SHARED_COLOURS).map(|i| theme.shared_on_entry(i)).collect();
            assert!((0..SHARED_COLOURS).all(|i| !on_entry[..i].contains(&on_entry[i])), "{theme:?}");
        }
    }

    /// The lines of shared weights are not mistaken for the line of the current step.
    #[test]
    fn no_shared_weight_has_nearly_the_accent_colour() {
        for theme in GROUNDS.map(|background| Theme::new(Colours::True, background)) {
            let accent = rgb(theme.style(StyleRole::Result).fg.unwrap());
            for i in 0..SHARED_COLOURS {
                let colour = rgb(theme.shared(i).fg.unwrap());
                let squared_distance: u32 = (0..3).map(|c| u32::from(accent[c].abs_diff(colour[c])).pow(2)).sum();
                assert!(squared_distance >= 55 * 55, "{theme:?} {i}");
            }
        }
        let sixteen = Theme::new(Colours::Sixteen, Background::Dark);
        assert!((0..SHARED_COLOURS).all(|i| sixteen.shared(i).fg != sixteen.style(StyleRole::Result).fg));
    }

    #[test]
    fn heat_shows_sign_and_size() {
        let theme = Theme::default();
        assert_ne!(theme.heat(-1.0, 1.0), theme.heat(1.0, 1.0));
        assert_ne!(theme.heat(0.3, 1.0), theme.heat(0.9, 1.0));
        assert_eq!(theme.heat(0.0, 1.0), Style::new());
        assert_eq!(theme.heat(f64::NAN, 1.0), theme.style(StyleRole::Error));
        assert_eq!(theme.heat(1.0, f64::NAN), Style::new());
        assert_eq!(theme.heat(9.0, 1.0), theme.heat(1.0, 1.0));
    }

    #[test]
    fn nearest_returns_the_nearest_of_the_256_colours() {
        for i in 16..=255 {
            assert_eq!(indexed(nearest(indexed(i))), indexed(i));
        }
        // red 5, green 0 and blue 0 of the cube: 16 + 36 · 5
        assert_eq!(nearest([0xff, 0, 0]), 196);
        // grey 2 is 8 + 10 · 2 = 0x1c
        assert_eq!(nearest([0x1e, 0x1e, 0x1f]), 234);
    }
}

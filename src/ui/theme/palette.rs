//! The palettes of signed numbers. A palette has one scale of colours for negative numbers and one for positive numbers. The absolute value decides the point
//! on the scale.
//!
//! People with a colour vision deficiency can tell the two scales of a palette apart. A test simulates protanopia, deuteranopia and tritanopia.

use ratatui::style::Color;

use super::Rgb;

/// A palette of signed numbers. Its name has the colours of negative and of positive numbers.
///
/// The colours are from Cynthia Brewer's schemes. On a dark background, the scales begin near black, and some end with a lighter colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Palette {
    /// The reds of `RdBu` and the purples of `PuOr`. The oranges of `PuOr` would be too similar to the colour of the current step.
    #[default]
    RedPurple,
    /// `RdBu`.
    RedBlue,
    /// `PRGn`.
    PurpleGreen,
}

/// The colours of a palette.
pub(super) struct Scales {
    /// The name in the settings file.
    name: &'static str,
    /// The colours of negative numbers, from zero to the largest absolute value: `negative[0]` is for a dark background, `negative[1]` for a light one.
    pub negative: [[Rgb; 4]; 2],
    /// The colours of positive numbers, in the same order.
    pub positive: [[Rgb; 4]; 2],
    /// The colours (text, background) of large numbers on a terminal with sixteen colours: first those of negative numbers, then those of positive ones.
    pub sixteen: [(Color, Color); 2],
    /// The meaning of the colours, for the help.
    words: &'static str,
}

const RED: [[Rgb; 4]; 2] = [
    [[0x26, 0x23, 0x22], [0x55, 0x22, 0x1f], [0x9a, 0x32, 0x2a], [0xd6, 0x60, 0x4d]],
    [[0xf7, 0xf7, 0xf7], [0xfd, 0xdb, 0xc7], [0xf4, 0xa5, 0x82], [0xd6, 0x60, 0x4d]],
];
/// The purples of `PuOr`.
const PURPLE: [[Rgb; 4]; 2] = [
    [[0x24, 0x23, 0x28], [0x42, 0x33, 0x66], [0x70, 0x58, 0xa6], [0xb2, 0xab, 0xd2]],
    [[0xf7, 0xf7, 0xf7], [0xd8, 0xda, 0xeb], [0xb2, 0xab, 0xd2], [0x80, 0x73, 0xac]],
];
const BLUE: [[Rgb; 4]; 2] = [
    [[0x22, 0x24, 0x28], [0x16, 0x35, 0x58], [0x21, 0x60, 0x9c], [0x55, 0xa5, 0xd6]],
    [[0xf7, 0xf7, 0xf7], [0xd1, 0xe5, 0xf0], [0x92, 0xc5, 0xde], [0x43, 0x93, 0xc3]],
];
/// The purples of `PRGn`.
const VIOLET: [[Rgb; 4]; 2] = [
    [[0x26, 0x22, 0x28], [0x4a, 0x22, 0x58], [0x7e, 0x3a, 0x90], [0xb0, 0x82, 0xc4]],
    [[0xf7, 0xf7, 0xf7], [0xe7, 0xd4, 0xe8], [0xc2, 0xa5, 0xcf], [0x99, 0x70, 0xab]],
];
const GREEN: [[Rgb; 4]; 2] = [
    [[0x22, 0x26, 0x23], [0x11, 0x40, 0x20], [0x1b, 0x6c, 0x35], [0x5a, 0xae, 0x61]],
    [[0xf7, 0xf7, 0xf7], [0xd9, 0xf0, 0xd3], [0xa6, 0xdb, 0xa0], [0x5a, 0xae, 0x61]],
];

impl Palette {
    /// All palettes.
    pub const ALL: [Self; 3] = [Self::RedPurple, Self::RedBlue, Self::PurpleGreen];

    /// Returns the name in the settings file: the colour of negative numbers, then that of positive numbers, such as `red-purple`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.scales().name
    }

    /// Returns the palette with this name in the settings file.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|palette| palette.name() == name)
    }

    /// Returns the meaning of the colours, for the help.
    #[must_use]
    pub fn words(self) -> &'static str {
        self.scales().words
    }

    pub(super) fn scales(self) -> &'static Scales {
        match self {
            Self::RedPurple => &Scales {
                name: "red-purple",
                negative: RED,
                positive: PURPLE,
                sixteen: [(Color::White, Color::Red), (Color::Black, Color::Cyan)],
                words: "red is negative, purple is positive (cyan with 16 colours)",
            },
            Self::RedBlue => &Scales {
                name: "red-blue",
                negative: RED,
                positive: BLUE,
                sixteen: [(Color::White, Color::Red), (Color::White, Color::Blue)],
                words: "red is negative, blue is positive",
            },
            Self::PurpleGreen => &Scales {
                name: "purple-green",
                negative: VIOLET,
                positive: GREEN,
                sixteen: [(Color::White, Color::Magenta), (Color::Black, Color::Green)],
                words: "purple is negative, green is positive",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Background, Colours, Theme};
    use super::*;

    /// Matrices on linear RGB that simulate protanopia, deuteranopia and tritanopia: Machado, Oliveira and Fernandes, "A Physiologically-based Model for
    /// Simulation of Color Vision Deficiency", 2009, with severity 1.
    const DEFICIENCIES: [[[f64; 3]; 3]; 3] = [
        [[0.152_286, 1.052_583, -0.204_868], [0.114_503, 0.786_281, 0.099_216], [-0.003_882, -0.048_116, 1.051_998]],
        [[0.367_322, 0.860_646, -0.227_968], [0.280_085, 0.672_501, 0.047_413], [-0.011_820, 0.042_940, 0.968_881]],
        [[1.255_528, -0.076_749, -0.178_779], [-0.078_411, 0.930_809, 0.147_602], [0.004_733, 0.691_367, 0.303_900]],
    ];
    /// The matrix of normal vision.
    const NORMAL: [[f64; 3]; 3] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];

    fn product(matrix: [[f64; 3]; 3], vector: [f64; 3]) -> [f64; 3] {
        matrix.map(|row| row[0] * vector[0] + row[1] * vector[1] + row[2] * vector[2])
    }

    /// Returns a colour in CIELAB (L*, a* and b*) as a person sees it whose vision the matrix `vision` simulates.
    fn lab(colour: Color, vision: [[f64; 3]; 3]) -> [f64; 3] {
        let Color::Rgb(r, g, b) = colour else { panic!("{colour} has no fixed value") };
        // the inverse of the gamma curve of sRGB
        let linear = [r, g, b].map(|c| {
            let c = f64::from(c) / 255.0;
            if c <= 0.040_45 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        });
        let linear = product(vision, linear).map(|c| c.clamp(0.0, 1.0));
        let to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]];
        let [x, y, z] = product(to_xyz, linear);
        let cielab = |t: f64| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
        // the white point D65 is (0.9505, 1, 1.089)
        let [x, y, z] = [cielab(x / 0.9505), cielab(y), cielab(z / 1.089)];
        [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
    }

    /// In CIELAB, a distance of about 2 between two colours side by side is just visible. The colours of −x and x must be farther apart: at least 4 for small x
    /// and 10 for others.
    #[test]
    fn signs_differ_for_people_with_a_colour_vision_deficiency() {
        for palette in Palette::ALL {
            for background in [Background::Dark, Background::Light] {
                let theme = Theme::new(Colours::True, background).with_palette(palette);
                for percent in [1.0, 25.0, 50.0, 75.0, 100.0] {
                    let [negative, positive] = [-percent, percent].map(|value| theme.heat_colour(value, 100.0).unwrap());
                    for vision in DEFICIENCIES.into_iter().chain([NORMAL]) {
                        let (a, b) = (lab(negative, vision), lab(positive, vision));
                        let distance = (0..3).map(|i| (a[i] - b[i]).powi(2)).sum::<f64>().sqrt();
                        let least = if percent < 25.0 { 4.0 } else { 10.0 };
                        assert!(distance >= least, "{palette:?} {background:?} {percent} %: {distance}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_palette_is_found_by_its_name() {
        for palette in Palette::ALL {
            assert_eq!(Palette::named(palette.name()), Some(palette));
        }
        assert_eq!(Palette::named("red"), None);
    }
}

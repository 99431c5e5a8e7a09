//! Tests of the text forms of a number, and of the law of short numbers.

use super::column::{Style, choose_style};
use super::short::{Rounded, scientific};
use super::*;
use proptest::prelude::*;

/// The cells of a column with these numbers.
fn column(values: &[f64]) -> Vec<String> {
    let format = ColumnFormat::of(values.iter().copied());
    values.iter().map(|&v| format.cell(v)).collect()
}

#[test]
fn a_wide_column_keeps_its_point_while_typical_numbers_are_added() {
    let known = [0.5, -0.25, 12.375, 99.99, -0.1];
    let (before_point, from_point) = (3, 5);
    for n in 1..=known.len() {
        let format = ColumnFormat::of(known[..n].iter().copied()).with_room(before_point, from_point);
        assert_eq!((format.width(), format.units()), (8, 2), "{n} numbers");
    }
    // −123 needs 4 of the 8 cells of the column, so only 4 are left for the point and the decimals
    let wide = ColumnFormat::of([-123.456, 0.5]).with_room(before_point, from_point);
    assert_eq!([-123.456, 0.5].map(|v| wide.cell(v)), ["−123.46 ", "   0.5  "]);
}

#[test]
fn a_scale_ends_at_a_round_number() {
    for (magnitude, end) in [(0.0, 0.0), (0.31, 0.4), (0.5, 0.5), (1.0, 1.0), (1.1, 1.2), (9.0, 10.0), (10.0, 10.0), (2.6e-9, 3e-9)] {
        assert!((round_up(magnitude) - end).abs() <= 1e-15 * end, "{magnitude}: {}", round_up(magnitude));
    }
    for extreme in [f64::MIN_POSITIVE / 3.0, f64::MAX] {
        assert!(round_up(extreme) >= extreme);
    }
}

#[test]
fn a_column_aligns_its_points_and_uses_exponents_only_if_needed() {
    assert_eq!(column(&[1.0, -2.0, 0.0, 13.0]), [" 1", "−2", " 0", "13"]);
    assert_eq!(column(&[0.05, -0.12, 2.0, -0.0]), [" 0.05", "−0.12", " 2   ", " 0   "]);
    assert_eq!(column(&[0.596_884_38, -0.1, 1.0, 0.000_031_2]), [" 0.5969", "−0.1   ", " 1     ", " 3.1e−5"]);
    assert_eq!(column(&[0.5, 0.25, 0.99996, 2.99996]), ["0.5   ", "0.25  ", "0.9999", "2.9999"]);
    assert_eq!(column(&[1.00003, 1.0]), ["1.0000", "1     "]);
    assert_eq!(column(&[12345.678, 0.001, -3.0]), ["12345.7 ", "    1e−3", "   −3   "]);
    assert_eq!(column(&[1.5e-9, -2.25e-7, 0.0]), [" 1.5e−9 ", "−2.25e−7", " 0      "]);
    assert_eq!(column(&[1.5, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]), [" 1.5", " nan", " inf", "−inf"]);
    assert_eq!(column(&[1e12, 3.0]), ["1e12", "3   "]);
}

#[test]
fn a_number_that_does_not_fit_is_drawn_as_hashes() {
    let format = ColumnFormat::of([1.0, 2.0]);
    assert_eq!(format.cell(0.5), "#");
    assert_eq!(format.cell(-1.0), "#");
    assert_eq!(ColumnFormat::default().cell(f64::NAN), "#");
    assert_eq!(ColumnFormat::of([]).cell(7.0), "7");
}

#[test]
fn short_numbers_have_about_four_digits() {
    let cases = [
        (0.05, "0.05"),
        (-0.12, "−0.12"),
        (1.2e-9, "1.2e−9"),
        (2.0, "2"),
        (-0.0, "0"),
        (31.0, "31"),
        (0.291_027_773_7, "0.2910"),
        (0.99996, "0.9999"),
        (-0.000_04, "−4e−5"),
        (0.0005, "0.0005"),
        (1234.567, "1234.6"),
        (123_456.0, "123456"),
        (1e300, "1e300"),
        (f64::MAX, "1.797e308"),
        (f64::NAN, "nan"),
        (f64::NEG_INFINITY, "−inf"),
        (5e-324, "5e−324"),
        (0.001_234_56, "0.001235"),
    ];
    for (value, text) in cases {
        assert_eq!(short(value), text);
    }
}

#[test]
fn numbers_have_about_as_many_digits_as_the_setting_asks_for() {
    let texts = |count: usize| {
        let digits = Digits::new(count).unwrap();
        let column = ColumnFormat::with(digits, [0.596_884_378, -12.345_678_9, 0.000_031_2]);
        let short = [0.596_884_378, 1.234_567_891e-9, 0.999_999_96, 3.0].map(|value| digits.short(value));
        (column.cell(0.596_884_378), column.cell(-12.345_678_9), short)
    };
    let (small, large, short) = texts(3);
    assert_eq!((small.trim(), large.trim()), ("0.60", "−12.35"));
    assert_eq!(short, ["0.597", "1.23e−9", "0.999", "3"]);
    let (small, large, short) = texts(7);
    assert_eq!((small.trim(), large.trim()), ("0.596884", "−12.345679"));
    assert_eq!(short, ["0.5968844", "1.234568e−9", "0.9999999", "3"]);
    assert_eq!([0, 2, 9].map(Digits::new), [None; 3]);
}

#[test]
fn exact_and_json_texts_have_the_fewest_digits_that_read_back() {
    for (value, text) in [
        (0.1, "0.1"),
        (-2.0, "-2"),
        (1e-9, "1e-9"),
        (-0.0, "-0"),
        (f64::INFINITY, "inf"),
        (f64::NAN, "nan"),
        (0.1 + 0.2, "0.30000000000000004"),
        (1e15, "1000000000000000"),
        (1e16, "1e16"),
        (0.00001, "1e-5"),
        (0.0001, "0.0001"),
    ] {
        assert_eq!(exact(value), text);
    }
    for (value, text) in
        [(-0.0, "-0.0"), (0.0, "0.0"), (2.0, "2.0"), (-1.5e-9, "-1.5e-9"), (f64::NEG_INFINITY, "\"-inf\""), (-f64::NAN, "\"nan\"")]
    {
        assert_eq!(serde_json::to_string(&Json(value)).unwrap(), text);
    }
    assert_eq!([0.1 + 0.2, -1.5e-9, -0.0, f64::NEG_INFINITY].map(short), ["0.3000", "−1.5e−9", "0", "−inf"]);
}

/// Parses a short text, whose minus sign is not ASCII.
fn read(text: &str) -> f64 {
    text.trim().replace('−', "-").parse().unwrap()
}

/// Generates numbers of any size, many of them near whole numbers and near the limits of f64.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        -2.0..2.0_f64,
        (-300..300_i32, -10.0..10.0_f64).prop_map(|(e, m)| m * 10_f64.powi(e)),
        (-1000..1000_i32, -9..-1_i32, -9..9_i32).prop_map(|(n, e, m)| f64::from(n) + f64::from(m) * 10_f64.powi(e)),
        (-50..50_i32).prop_map(f64::from),
    ]
}

/// Generates all possible numbers of digits.
fn digits() -> impl Strategy<Value = Digits> {
    (Digits::MIN..=Digits::MAX).prop_map(|count| Digits::new(count).unwrap())
}

/// Checks the law of short numbers, and that the text is accurate to one unit of its last digit.
#[expect(clippy::float_cmp, reason = "the law requires exact equality")]
fn check_rounding(value: f64, text: &str) -> Result<(), TestCaseError> {
    let text = text.trim();
    let shown = read(text);
    if value.is_nan() {
        prop_assert_eq!(text, "nan");
        return Ok(());
    }
    if value.is_infinite() {
        prop_assert_eq!(shown, value);
        return Ok(());
    }
    prop_assert!(shown.is_finite(), "{value:e} as {text}");
    prop_assert_eq!(shown == 0.0, value == 0.0, "{:e} as {}", value, text);
    prop_assert_eq!(text.starts_with('−'), value < 0.0, "{:e} as {}", value, text);
    if !text.contains(['.', 'e']) {
        prop_assert!(shown == value, "{value:e} as {text}");
    }
    // a whole number is exact, or rounded towards 0
    if shown.fract() == 0.0 && !text.contains('e') {
        prop_assert!(shown.abs() <= value.abs(), "{value:e} as {text}");
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let decimals = mantissa.split_once('.').map_or(0, |(_, d)| d.len());
    let unit = 10_f64.powf(read(exponent) - f64::from(u32::try_from(decimals).unwrap()));
    prop_assert!((shown - value).abs() <= unit * 1.000_001, "{value:e} as {text}");
    Ok(())
}

proptest! {
    #[test]
    fn a_column_of_numbers_has_one_width_and_aligned_points(values in proptest::collection::vec(number(), 1..12), cap in 1..12_usize, digits in digits()) {
        let format = ColumnFormat::with_digits_within(digits, cap, values.iter().copied());
        // the longest texts have exponents, such as −1.235e−300, and may be wider than the cap
        prop_assert!(format.width() <= cap.max(10 + digits.count()), "{:?}", format);
        let mut points = std::collections::BTreeSet::new();
        for &value in &values {
            let cell = format.cell(value);
            prop_assert_eq!(cell.chars().count(), format.width());
            check_rounding(value, &cell)?;
            points.extend(cell.chars().position(|c| c == '.'));
        }
        prop_assert!(points.len() <= 1);
    }

    #[test]
    fn a_number_added_to_a_column_later_is_rounded_correctly_or_drawn_as_hashes(sample in proptest::collection::vec(number(), 0..4), value in number(), digits in digits()) {
        let format = ColumnFormat::with(digits, sample);
        let cell = format.cell(value);
        prop_assert_eq!(cell.chars().count(), format.width());
        if !cell.contains('#') {
            check_rounding(value, &cell)?;
        }
    }

    #[test]
    fn a_short_number_is_rounded_correctly(value in number(), digits in digits()) {
        let text = digits.short(value);
        check_rounding(value, &text)?;
        prop_assert!(text.chars().count() <= 8 + digits.count(), "{}", text);
        if value.is_finite() {
            // at most one unit of the last digit, which is the largest part of a number that begins with 1: 0.001 of 1.234
            let relative_unit = 10_f64.powi(1 - i32::try_from(digits.count()).unwrap());
            prop_assert!((read(&text) - value).abs() <= 1.001 * relative_unit * value.abs());
        }
    }

    #[test]
    fn exact_reads_back(value in number()) {
        let text = exact(value);
        prop_assert!(text.parse::<f64>().unwrap().to_bits() == value.to_bits() || value.is_nan());
        let mut bytes = Vec::new();
        write_exact(value, &mut bytes);
        prop_assert_eq!(text.as_bytes(), bytes);
        prop_assert!(!text.ends_with(".0"));
    }

    #[test]
    fn write_json_agrees_with_serde_json(value in number()) {
        let mut bytes = Vec::new();
        write_json(value, &mut bytes);
        prop_assert_eq!(serde_json::to_vec(&Json(value)).unwrap(), bytes);
    }
}

/// Computes [`ColumnFormat::within`] without ending the first loop early, and without its quick test.
fn without_shortcuts(cap: usize, values: &[f64]) -> ColumnFormat {
    let (style, _) = choose_style(Digits::default(), cap.max(3), values.iter().copied().filter(|v| v.is_finite()));
    let mut format = ColumnFormat { style, digits: Digits::default(), before_point: 1, from_point: 0 };
    for &v in values.iter().filter(|v| v.is_finite()) {
        if let Some(text) = format.candidates(v).next() {
            let ignore_exponents = matches!(style, Style::Fixed(_));
            format.widen(&text, ignore_exponents);
        }
    }
    for &v in values {
        if format.fitting_text(v).is_none() {
            let text = scientific(v, 0);
            if v.is_finite() {
                let ignore_exponents = false;
                format.widen(&text, ignore_exponents);
            } else {
                format.before_point += text.chars().count() - format.width();
            }
        }
    }
    format
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_shortcuts_do_not_change_a_format(
        cap in 3..10_usize,
        values in prop::collection::vec(
            prop_oneof![
                4 => -2.0..2.0_f64,
                2 => (-2_000..2_000_i32).prop_map(|n| f64::from(n) / 64.0),
                2 => (-99..999_i32).prop_map(f64::from),
                1 => (-6..6_i32, -1.0..1.0_f64).prop_map(|(e, v)| v * 10_f64.powi(e)),
                1 => prop::sample::select(vec![0.0, -0.0, 9.9996, 99.9996, -9.99999, 1e-5, 1000.0, 999.9999, f64::NAN, f64::NEG_INFINITY]),
            ],
            0..40,
        ),
    ) {
        prop_assert_eq!(ColumnFormat::within(cap, values.iter().copied()), without_shortcuts(cap, &values));
    }
}

#[test]
fn rounding_the_shortest_digits_is_rounding_the_number() {
    let mut seed = 1_u64;
    let mut random = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 11
    };
    let mut applied = 0;
    for n in 0..40_000 {
        let decimals = usize::try_from(random() % 10).unwrap();
        #[expect(clippy::cast_precision_loss, reason = "53 bits")]
        let fraction = random() as f64 / (1_u64 << 53) as f64;
        let scaled = fraction * 10_f64.powi(i32::try_from(random() % 11).unwrap() - 4);
        // half of the numbers have few digits, and many of these are in the middle between two texts
        let value = if n % 2 == 0 { scaled } else { (scaled * 1000.0).round() / 1000.0 + 0.0005 };
        let text = match super::short::rounded_shortest(value, decimals) {
            Rounded::Undecided => continue,
            _ if value.fract() == 0.0 => continue,
            Rounded::BreaksLaw => None,
            Rounded::Text(text) => Some(text),
        };
        applied += 1;
        let plain = format!("{value:.decimals$}");
        let rounded: f64 = plain.parse().unwrap();
        let expected = match () {
            () if rounded.total_cmp(&value).is_eq() => Some(plain.trim_end_matches('0').to_owned()),
            () if rounded == 0.0 || decimals == 0 => None,
            () if rounded > value && rounded.fract() == 0.0 => Some(format!("{}.{}", value.trunc(), "9".repeat(decimals))),
            () => Some(plain),
        };
        let has_digit = |text: &String| text.contains(|digit: char| ('1'..='9').contains(&digit));
        assert_eq!(text, expected.filter(has_digit), "{value} with {decimals} decimals");
    }
    assert!(applied > 20_000, "{applied}");
}

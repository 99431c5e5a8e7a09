//! In prediction, a wrong number that a known mistake gives gets a hint that names the mistake. Other wrong numbers get none.

use gradstep::mistakes::{Hint, Judgement, MISTAKES, Question, TypedNumber};
use gradstep::scene::HiddenNumber;

use super::worked::{WORKED_BY_HAND, open};
use super::*;

/// Judges a typed number: as the value of a term if the address names one, otherwise as the value of the entry.
fn judge(document: &Document, address: &str, typed: &str) -> Judgement {
    let hidden = if address.contains('#') { HiddenNumber::Term } else { HiddenNumber::Entry };
    let step = document.trace.resolve(&address.parse().unwrap()).unwrap();
    let scene = document.scene(step).unwrap().with_hidden(Some(hidden));
    Question::of(&document.trace, &scene.at, hidden).judge(TypedNumber::parse(typed).unwrap(), &scene)
}

#[test]
fn a_number_worked_by_hand_with_a_mistake_gets_the_hint_that_names_it() {
    let mut missing = Vec::new();
    for &(id, numbers) in WORKED_BY_HAND {
        for (name, address, typed) in numbers {
            match judge(&open(name), address, typed) {
                Judgement::Wrong(Some(hint)) if hint.ids.contains(&id) => {}
                other => missing.push(format!("{id}: {name} {address} {typed}: {other:?}")),
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_mistake_has_ten_numbers_worked_by_hand() {
    let worked: Vec<&str> = WORKED_BY_HAND.iter().map(|(id, _)| *id).collect();
    let known: Vec<&str> = MISTAKES.iter().filter(|mistake| mistake.hint.is_some()).map(|mistake| mistake.id).collect();
    assert_eq!(worked, known);
    for (id, numbers) in WORKED_BY_HAND {
        let different: HashSet<_> = numbers.iter().collect();
        assert_eq!(different.len(), 10, "{id}");
    }
}

/// Returns the hint about a wrong number, which must get one.
fn hint(name: &str, address: &str, typed: &str) -> Hint {
    match judge(&open(name), address, typed) {
        Judgement::Wrong(Some(hint)) => hint,
        other => panic!("{name} {address} {typed}: {other:?}"),
    }
}

#[test]
fn a_hint_names_all_mistakes_that_give_the_number() {
    // w₂₂·δ₁₁ = 1.1·0.3: in the corner w₂₂ takes the place of w₁₁ both in the unturned and in the transposed filter
    let both = hint("filter", "grad.input[0,0,0]", "0.33");
    assert_eq!(both.ids, ["kernel-not-flipped", "kernel-transposed-instead-of-rotated"]);
    assert_eq!(both.words, "the filter was not turned, or the filter was transposed");
    // if only one mistake explains the number, the hint also has the right rule
    let alone = hint("filter", "grad.input[0,0,1]", "-0.78");
    assert_eq!(alone.words, "the filter was not turned: here it is turned by 180°");
    // w₁₂·a₁₂ = −1·2: 2 has the wrong sign, lacks the factor −1, and is w₁₁·a₁₁ = 2·1
    let sign = hint("figure-18", "conv1.z[0,0,0]#2", "2");
    assert_eq!(sign.ids, ["sign-flipped", "factor-missing", "neighbour-term"]);
    assert_eq!(sign.words, "only the sign is wrong, or the factor w₁₂ is missing, or that is the term w₁₁·a₁₁, beside this one");
    // 0.597 is twice the loss: the hint names the cause, the missing ½ of the squared error, and not only the factor 2
    assert_eq!(hint("mazur-2-2-2", "loss", "0.597").ids, ["constant-missing"]);
}

/// Without the bias, z₁ = 0.4·0.5933 + 0.45·0.5969 = 0.5059. Two digits of it are too few for a hint, because several mistakes give about this number.
#[test]
fn a_number_with_two_digits_gets_the_advice_to_type_a_third() {
    let document = open("mazur-2-2-2");
    assert_eq!(hint("mazur-2-2-2", "fc2.z[0]", "0.506").ids, ["term-left-out"]);
    let step = document.trace.resolve(&"fc2.z[0]".parse().unwrap()).unwrap();
    let scene = document.scene(step).unwrap().with_hidden(Some(HiddenNumber::Entry));
    let question = Question::of(&document.trace, &scene.at, HiddenNumber::Entry);
    // 0.51 is about 0.5059 in two digits; 0.52 is not, and 0.517 has three digits
    for (text, is_advised) in [("0.51", true), ("0.52", false), ("0.517", false)] {
        let typed = TypedNumber::parse(text).unwrap();
        assert_eq!(question.judge(typed, &scene), Judgement::Wrong(None), "{text}");
        assert_eq!(question.nudge(typed, &scene).ends_with("; one more digit may bring a hint"), is_advised, "{text}");
    }
}

/// If a mistake explains the number for several terms, the hint names the mistake once with all terms.
#[test]
fn a_mistake_is_named_once_with_all_its_terms() {
    // the right sum is 2 + 2 + 5 − 3 = 6; it is 4 without the first or the second term, and also up to the second term: 2 + 2
    let equal = small(
        "title = \"equal\"\ninput = [1, 2, 1, 1]\ntarget = [1]\nloss = \"upstream\"\n[[layer]]\ntype = \"linear\"\nweight = [[2, 1, 5, -3]]\n",
    );
    let Judgement::Wrong(Some(hint)) = judge(&equal, "fc1.z[0]", "4") else { panic!("a hint") };
    assert_eq!(hint.words, "the term w₁₂·a₂ or w₁₁·a₁ is left out, or that is the sum up to w₁₂·a₂");
}

/// Each term of a short sum, and the first and the last terms of a long one, are tried alone.
#[test]
fn a_forgotten_term_at_either_end_of_a_long_sum_gets_a_hint() {
    // z = 31 + 17 + 96 · 0.01 + 23 + 41 + 53.25 = 166.21
    let inputs = ["31, 17", &["0.01"; 96].join(", "), "23, 41"].join(", ");
    let weights = ["1"; 100].join(", ");
    let long = small(&format!(
        "title = \"long\"\ninput = [{inputs}]\ntarget = [1]\nloss = \"upstream\"\n[[layer]]\ntype = \"linear\"\nweight = [[{weights}]]\nbias = [53.25]\n"
    ));
    for (typed, words) in [
        ("112.96", "the term b₁ is left out"),
        ("125.21", "the term w₁,₁₀₀·a₁₀₀ is left out"),
        ("149.21", "the term w₁,₂·a₂ is left out"),
        ("59.71", "the sign of the term b₁ is wrong"),
        ("120.21", "the sign of the term w₁,₉₉·a₉₉ is wrong"),
        ("41", "that is only the term w₁,₁₀₀·a₁₀₀"),
    ] {
        match judge(&long, "fc1.z[0]", typed) {
            Judgement::Wrong(Some(hint)) => assert!(hint.words.starts_with(words), "{typed}: {}", hint.words),
            other => panic!("{typed}: {other:?}"),
        }
    }
}

/// A pseudo-random number from 0 to 1: Knuth's linear congruential generator.
fn random(seed: &mut u64) -> f64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    f64::from(u32::try_from(*seed >> 32).unwrap()) / f64::from(u32::MAX)
}

/// Judges random numbers up to twice the answer. With two digits, some of them equal the value of a mistake by chance; with each further digit, a tenth as
/// many. Long sums have hundreds of possible mistakes, so they need more digits.
#[test]
fn a_random_number_rarely_gets_a_hint() {
    let scenarios: Vec<Arc<Document>> =
        ["square", "filter", "mazur-2-2-2", "figure-16", "figure-18", "figure-07", "figure-02", "xor", "figure-01"].map(open).into();
    // the number of digits, and the largest fractions of the numbers that may get a hint
    for (digits, most, most_of_long_sums) in [(2_usize, 0.06, 0.08), (3, 0.008, 0.02), (4, 0.002, 0.01)] {
        let mut seed = 20_261_129;
        // the number of wrong answers, and how many of them get a hint: for all questions, and for entries with more than 16 terms
        let (mut wrong, mut hinted) = ([0_u32; 2], [0_u32; 2]);
        for document in &scenarios {
            for k in 0..100 {
                let step = 1 + (document.trace.len() - 1) * k / 99;
                for hidden in [HiddenNumber::Term, HiddenNumber::Entry] {
                    let scene = document.scene(step).unwrap().with_hidden(Some(hidden));
                    let question = Question::of(&document.trace, &scene.at, hidden);
                    let is_long = hidden == HiddenNumber::Entry && scene.at.terms > 16;
                    let scale = if question.answer() == 0.0 { 1.0 } else { question.answer().abs() };
                    for _ in 0..6 {
                        let typed = format!("{:.*e}", digits - 1, scale * (4.0 * random(&mut seed) - 2.0));
                        // a random number may be the answer
                        let Judgement::Wrong(hint) = question.judge(TypedNumber::parse(&typed).unwrap(), &scene) else { continue };
                        for group in 0..=usize::from(is_long) {
                            wrong[group] += 1;
                            hinted[group] += u32::from(hint.is_some());
                        }
                    }
                }
            }
        }
        let [all, long] = [0, 1].map(|group| f64::from(hinted[group]) / f64::from(wrong[group]));
        let measured = format!(
            "of {wrong:?} random numbers with {digits} digits, {:.2} % get a hint, and {:.2} % in a long sum",
            100.0 * all,
            100.0 * long
        );
        assert!(wrong[0] > 10_000 && wrong[1] > 500 && all < most && long < most_of_long_sums, "{measured}");
        println!("{measured}");
    }
}

#[test]
fn every_mistake_has_an_id_and_a_clause_of_its_own() {
    let (mut ids, mut words) = (HashSet::new(), HashSet::new());
    for mistake in MISTAKES {
        assert!(ids.insert(mistake.id), "{}", mistake.id);
        for clause in mistake.hint.iter().map(|hint| hint.words).chain([mistake.words]).filter(|clause| !clause.is_empty()) {
            assert!(words.insert(clause) && !clause.ends_with('.'), "{}", mistake.id);
        }
    }
}

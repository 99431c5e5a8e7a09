//! `docs/diff.md` lists each mistake of the table in `src/mistakes`, with the sentence that `diff` prints for it.

use gradstep::mistakes::MISTAKES;

const PAGE: &str = include_str!("../../docs/diff.md");

#[test]
fn the_page_lists_every_mistake_with_its_words() {
    let row = |id: &str, words: &str, right: &str| {
        // `right` may be empty, and a cell of the page has a single blank then
        let [words, right] = [words, right].map(|text| text.replace('|', "\\|"));
        format!("| `{id}` | {words} | {right} |").replace(" |  |", " | |")
    };
    // mistakes without `words` are only for predicted numbers, not for the gradients of a whole pass
    let rows: Vec<String> = MISTAKES
        .iter()
        .filter(|row| !row.words.is_empty())
        .map(|mistake| row(mistake.id, &mistake.words_at(&["…"]), mistake.right))
        .collect();
    let (_, listed) = PAGE.split_once("## The mistakes").expect("the section");
    let listed: Vec<&str> =
        listed.lines().skip_while(|line| !line.starts_with("| ---")).skip(1).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 60 && rows == listed, "the table of docs/diff.md should be\n{}", rows.join("\n"));
}

#[test]
fn words_agree_with_the_number_of_places() {
    let words = |id: &str, places: &[&str]| MISTAKES.iter().find(|row| row.id == id).expect("a row").words_at(places);
    for (id, places, expected) in [
        ("kernel-not-flipped", &["conv2"][..], "the filter of conv2 is not turned by 180° in the gradient of its input"),
        (
            "kernel-not-flipped",
            &["conv3", "conv2"],
            "the filters of conv3 and conv2 are not turned by 180° in the gradients of their inputs",
        ),
        ("path-forgotten", &["W", "V"], "the gradients of W and V lack the part"),
        ("sum-instead-of-mean", &[], "a sum is taken"),
        (
            "stride-ignored-in-weight-gradient",
            &["conv5", "conv4", "conv3", "conv2", "conv1"],
            "the weight gradients of conv5, conv4, conv3, conv2 and conv1 move their windows by 1 instead of the stride",
        ),
    ] {
        assert_eq!(words(id, places), expected);
    }
    for row in MISTAKES {
        for places in [&["…"][..], &["…", "…"]] {
            assert!(!row.words_at(places).contains(['[', ']', '{', '}', '|']), "{}", row.words);
        }
        // square brackets have the forms of a word for one and for several places; only words with the names of the places (`{}`) need them
        let has_place = row.words.contains("{}");
        assert!(has_place || !row.words.contains('['), "{}", row.words);
    }
}

//! `docs/diff.md` lists every mistake with its words.

use gradstep::mistakes::MISTAKES;

const PAGE: &str = include_str!("../../docs/diff.md");

#[test]
fn the_page_lists_every_mistake_with_its_words() {
    let row = |id: &str, words: &str, right: &str| {
        let [words, right] = [words, right].map(|text| text.replace("{}", "…").replace('|', "\\|"));
        format!("| `{id}` | {words} | {right} |").replace(" |  |", " | |")
    };
    // what has words only for a predicted number is not a mistake of a whole pass
    let rows: Vec<String> =
        MISTAKES.iter().filter(|row| !row.words.is_empty()).map(|mistake| row(mistake.id, mistake.words, mistake.right)).collect();
    let (_, listed) = PAGE.split_once("## The mistakes").expect("the section");
    let listed: Vec<&str> =
        listed.lines().skip_while(|line| !line.starts_with("| ---")).skip(1).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 60 && rows == listed, "the table of docs/diff.md should be\n{}", rows.join("\n"));
}

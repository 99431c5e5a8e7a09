//! With `--ascii`, every character of a frame is drawn as ASCII. A character without an ASCII form would be drawn as `?`.

use gradstep::ui::RenderOptions;

use crate::{bundled_documents, frame, open};

#[test]
fn no_character_is_unknown_in_ascii() {
    let ascii = RenderOptions { ascii: true, ..RenderOptions::default() };
    let count_unknown = |name: &str, keys: &str, options: &RenderOptions, width: u16| {
        let buffer = frame(&open(name, keys), options, width, 40);
        buffer.content.iter().filter(|cell| cell.symbol() == "?").count()
    };
    for name in bundled_documents().keys() {
        let mut keys = "kk".to_owned();
        for _ in 0..20 {
            for width in [60, 120] {
                // a scenario's own text may have question marks
                let in_unicode = count_unknown(name, &keys, &RenderOptions::default(), width);
                assert!(count_unknown(name, &keys, &ascii, width) <= in_unicode, "{name} after {keys} at {width} columns");
            }
            keys.push('l');
        }
    }
}

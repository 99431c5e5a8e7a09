//! `--ascii`: every character of a frame has an ASCII form, and none is drawn as unknown.

use gradstep::ui::RenderOptions;

use crate::{bundled_documents, frame, open};

#[test]
fn no_character_is_unknown_in_ascii() {
    let ascii = RenderOptions { ascii: true, ..RenderOptions::default() };
    let unknown = |name: &str, keys: &str, look: &RenderOptions, width: u16| {
        let buffer = frame(&open(name, keys), look, width, 40);
        buffer.content.iter().filter(|cell| cell.symbol() == "?").count()
    };
    for name in bundled_documents().keys() {
        let mut keys = "kk".to_owned();
        for _ in 0..20 {
            for width in [60, 120] {
                let of_file = unknown(name, &keys, &RenderOptions::default(), width);
                assert!(unknown(name, &keys, &ascii, width) <= of_file, "{name} after {keys} at {width} columns");
            }
            keys.push('l');
        }
    }
}

//! Tests of the parser: bytes that terminals send, and their events.

use super::*;

/// Parses bytes that are followed by a pause, and returns the events as text.
fn read(bytes: &[u8]) -> Vec<String> {
    let mut parser = SequenceParser::default();
    parser.push(bytes);
    parser.pause();
    events(&mut parser)
}

/// Returns the events of the parser as text.
fn events(parser: &mut SequenceParser) -> Vec<String> {
    std::iter::from_fn(|| parser.next_event())
        .map(|event| match event {
            Event::Key(key) if key.kind == KeyEventKind::Press => format!("{:?} {:?}", key.code, key.modifiers),
            Event::Key(key) => format!("{:?} {:?}", key.kind, key.code),
            Event::Mouse(mouse) => format!("{:?} {},{} {:?}", mouse.kind, mouse.column, mouse.row, mouse.modifiers),
            Event::Paste(text) => format!("paste {text}"),
            other => format!("{other:?}"),
        })
        .map(|text| text.replace("KeyModifiers(0x0)", "").replace("KeyModifiers", "").trim().to_owned())
        .collect()
}

#[test]
fn bytes_become_keys() {
    for (bytes, expected) in [
        (&b"a"[..], "Char('a')"),
        ("é".as_bytes(), "Char('é')"),
        ("中".as_bytes(), "Char('中')"),
        ("😀".as_bytes(), "Char('😀')"),
        (b"A", "Char('A') (SHIFT)"),
        (b"\x03", "Char('c') (CONTROL)"),
        (b"\x00", "Char(' ') (CONTROL)"),
        (b"\x1c", "Char('4') (CONTROL)"),
        (b"\r", "Enter"),
        (b"\t", "Tab"),
        (b"\x7f", "Backspace"),
        (b"\x1b", "Esc"),
        (b"\x1bx", "Char('x') (ALT)"),
        (b"\x1b\x03", "Char('c') (CONTROL | ALT)"),
        ("\u{1b}é".as_bytes(), "Char('é') (ALT)"),
        (b"\x1b[A", "Up"),
        (b"\x1bOB", "Down"),
        (b"\x1b[1;5C", "Right (CONTROL)"),
        (b"\x1b[1;2D", "Left (SHIFT)"),
        (b"\x1b[Z", "BackTab (SHIFT)"),
        (b"\x1b[3~", "Delete"),
        (b"\x1b[5;3~", "PageUp (ALT)"),
        (b"\x1bOP", "F(1)"),
        (b"\x1b[[B", "F(2)"),
        (b"\x1b[24~", "F(12)"),
        (b"\x1b[15;6~", "F(5) (SHIFT | CONTROL)"),
        (b"\x1b[97;5u", "Char('a') (CONTROL)"),
        (b"\x1b[97;1:3u", "Release Char('a')"),
        (b"\x1b[9;2u", "BackTab (SHIFT)"),
        (b"\x1b[<0;5;7M", "Down(Left) 4,6"),
        (b"\x1b[<0;5;7m", "Up(Left) 4,6"),
        (b"\x1b[<65;1;1M", "ScrollDown 0,0"),
        (b"\x1b[<52;65535;1M", "Drag(Left) 65534,0 (SHIFT | CONTROL)"),
        (b"\x1b[M #$", "Down(Left) 2,3"),
        (b"\x1b[32;5;7M", "Down(Left) 4,6"),
        (b"\x1b[200~a\x1b[201b\x1b\x1b[201~", "paste a\u{1b}[201b\u{1b}"),
        (b"\x1b[200~\xff\x1b[201~", "paste \u{fffd}"),
    ] {
        assert_eq!(read(bytes), [expected], "{bytes:?}");
    }
}

#[test]
fn unknown_sequences_are_ignored() {
    let ignored: [&[u8]; 12] = [
        b"\xff",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\x1b[<0;0;1M",
        b"\x1b[<;;M",
        b"\x1b[<0;99999;1M",
        b"\x1b[M\x1f  ",
        b"\x1b[99~",
        b"\x1b[?62;4c",
        b"\x1b[1114112u",
        b"\x1b[>1;2 q",
        b"\x1b[201~",
    ];
    for bytes in ignored {
        let found = read(bytes);
        assert!(found.is_empty(), "{bytes:?}: {found:?}");
    }
    let long = [&b"\x1b[<"[..], &b"1".repeat(100_000), b"Mx"].concat();
    assert_eq!(read(&long), ["Char('x')"]);
}

#[test]
fn a_sequence_may_be_split_and_a_control_character_ends_it() {
    let bytes = "\u{1b}[<0;5;7M\u{1b}[200~aé\u{1b}[201~\u{1b}[1;5Cé\u{1b}OAq".as_bytes();
    let expected = read(bytes);
    assert_eq!(expected.len(), 6, "{expected:?}");
    // the bytes are not divided after an ESC, because an ESC before a pause is the Esc key
    for cut in (0..bytes.len()).filter(|&cut| cut == 0 || bytes[cut - 1] != ESC) {
        let mut parser = SequenceParser::default();
        for piece in [&bytes[..cut], &bytes[cut..]] {
            parser.push(piece);
            parser.pause();
        }
        assert_eq!(events(&mut parser), expected, "cut at {cut}");
    }
    for half in ["\u{1b}[", "\u{1b}[<0;1", "\u{1b}[?", "\u{1b}O"] {
        assert_eq!(read(format!("{half}\u{3}").as_bytes()), ["Char('c') (CONTROL)"], "{half:?}");
        assert_eq!(read(format!("{half}\u{1b}").as_bytes()), ["Esc"], "{half:?}");
    }
}

#[test]
fn the_key_after_a_dropped_sequence_is_read() {
    for (half, pasted) in [
        (&b"\x1b[<0;1"[..], None),
        (b"\x1b[?", None),
        (b"\x1b[", None),
        (b"\x1bO", None),
        (b"\x1b[M ", None),
        (b"\xe2\x82", None),
        (b"\x1b[200~", Some("paste")),
        (b"\x1b[200~text\x1b[20", Some("paste text\u{1b}[20")),
    ] {
        let mut parser = SequenceParser::default();
        parser.push(half);
        parser.pause();
        assert!(parser.is_incomplete() && !parser.has_event(), "{half:?}");
        parser.drop_incomplete();
        assert!(!parser.is_incomplete());
        parser.push(b"q");
        let expected: Vec<&str> = pasted.into_iter().chain(["Char('q')"]).collect();
        assert_eq!(events(&mut parser), expected, "{half:?}");
    }
}

#[test]
fn an_endless_pasted_text_takes_limited_memory() {
    let mut parser = SequenceParser::default();
    parser.push(b"\x1b[200~");
    (0..1000).for_each(|_| parser.push(&[b'x'; 1024]));
    assert!(parser.bytes.capacity() <= 2 * MAX_PASTE);
    parser.push(PASTE_END);
    assert_eq!(events(&mut parser)[0].len(), MAX_PASTE + "paste ".len());
}

//! `show` and `replay` print frames without a terminal: for an address, after keys, and of a session that is cut off.

use std::fs;

use tempfile::tempdir;

use super::{command, finish, gradstep, printed, refused, with_input};

#[test]
fn show_prints_a_frame() {
    // a number that may surprise is explained only at its step
    let is_explained = |step: &str| {
        printed(&["show", "tests/corners/cross-entropy-minus-inf-midway-logits.toml", "--at", step, "--size", "120x40"])
            .contains("0 · −∞ has no value, so this term")
    };
    assert!(is_explained("loss#1") && !is_explained("loss#2"));
    assert!(printed(&["show", "figure-14", "--at", "grad.a", "--size", "80x24"]).contains("step 9/10"));
    let frame = printed(&["show", "figure-14", "--at", "8", "--keys", "l", "--size", "80x24"]);
    assert_eq!(frame.lines().count(), 24);
    assert!(frame.contains("step 9/10") && frame.contains("grad.a"), "{frame}");
    assert_eq!(frame, printed(&["show", "figure-14", "--keys", ":grad.a<Enter>", "--size", "80x24"]));
    assert_eq!(frame, printed(&["show", "figure-14", "--keys", "<End>hqll", "--size", "80x24"]), "keys after q are ignored");
    assert_eq!(printed(&["show", "figure-14", "--size", "1x1"]).lines().count(), 1);
    assert_eq!(printed(&["show", "figure-14", "--size", "1000x1000"]).lines().count(), 1000);
    assert!(printed(&["show", "figure-14", "--format", "ansi"]).contains("\u{1b}[0;"));
    assert!(!printed(&["show", "figure-14", "--format", "ansi", "--color", "never"]).contains("38;"));
    assert!(printed(&["show", "figure-14", "--format", "svg"]).starts_with("<svg"));
}

/// `--at` does what the prompt does, also for a number that no step computes.
#[test]
fn an_address_of_a_given_number_puts_the_cursor_on_it() {
    for (scenario, address) in [
        ("figure-19", "conv1.weight[0,0,1,1]"),
        ("figure-19", "input[0,0,1]"),
        ("xor", "3:input[0]"),
        ("xor", "2:target"),
        ("figure-14", "a"),
    ] {
        let shown = printed(&["show", scenario, "--at", address]);
        assert_eq!(shown, printed(&["show", scenario, "--keys", &format!(":{address}<Enter>")]), "{address}");
        assert!(shown.contains("is given: this is the first step that reads it"), "{shown}");
    }
    let plain = with_input(&["figure-19", "--plain", "--at", "conv1.weight[0,0,1,1]"], b"q\n");
    assert!(plain.out.contains("is given: this is the first step that reads it"), "{}", plain.out);
    let run = gradstep(&["show", "figure-19", "--at", "conv1.weight[9,9,9,9]"]);
    assert!(run.status == 2 && run.err.contains("conv1.weight"), "{}", run.err);
}

#[test]
fn digits_and_palette_are_options() {
    let shown = |options: &[&str]| printed(&[&["show", "figure-19", "--format", "ansi"], options].concat());
    // 6 is the largest number of the input, so it has the last colour of the scale
    for (options, colour) in [
        (&[][..], "48;2;178;171;210"),
        (&["--palette", "red-blue"], "48;2;85;165;214"),
        (&["--palette", "purple-green", "--background", "light"], "48;2;90;174;97"),
    ] {
        assert!(shown(options).contains(colour), "{options:?}");
    }
    assert!(printed(&["show", "mazur-2-2-2", "--at", "fc1.a[0]", "--digits", "7"]).contains("0.5932700"));
    assert!(printed(&["show", "figure-19", "--size", "80x220", "--keys", "?", "--palette", "red-blue"]).contains("blue is positive"));
    for (option, value, expected) in
        [("--digits", "9", "write a whole number from 3 to 8"), ("--palette", "red", "red-purple, red-blue, purple-green")]
    {
        let run = gradstep(&["show", "figure-19", option, value]);
        assert!(run.status == 2 && run.err.contains(expected), "{}", run.err);
    }
}

/// At the end of the help, scrolling further has no effect, so one key back is one line back.
#[test]
fn scrolling_stops_at_the_end_of_the_help() {
    // without the status line, which says that there is nothing further down
    let help = |keys: &str| {
        let frame = printed(&["show", "figure-14", "--size", "80x24", "--keys", &format!("?{keys}")]);
        frame.lines().take(22).map(str::to_owned).collect::<Vec<_>>()
    };
    let end = help("G");
    assert_eq!(end, help(&"j".repeat(300)));
    assert_ne!(end, help(&format!("{}k", "j".repeat(300))));
}

#[test]
fn replay_prints_the_frames() {
    let text = printed(&["replay", "tests/sessions/figure-14.session", "--format", "text"]);
    let heads: Vec<&str> = text.lines().filter(|line| line.starts_with("--- ")).collect();
    insta::assert_snapshot!("replay-heads", heads.join("\n"));
    // the session ends with the keys End and h, and its screen has 60x16 cells
    let last = text.rsplit("--- ").next().unwrap().split_once('\n').unwrap().1;
    assert_eq!(last, printed(&["show", "figure-14", "--keys", "l<End>h", "--size", "60x16"]));
}

#[test]
fn a_truncated_session_is_replayed_with_a_remark() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("session");
    let session = fs::read("tests/sessions/figure-14.session").unwrap();
    fs::write(&path, &session[..session.len() - 3]).unwrap();
    let run = gradstep(&["replay", path.to_str().unwrap(), "--format", "text"]);
    assert_eq!(run.status, 0);
    let wanted = format!("note: the recording {} breaks off: its last line is incomplete and is left out\n", path.display());
    assert_eq!(run.err, wanted);
    assert_eq!(
        run.out,
        printed(&["replay", "tests/sessions/figure-14.session", "--format", "text"]),
        "the line that is cut off is the end of the program, which has no frame"
    );
}

#[test]
fn a_session_without_its_end_is_replayed_with_a_remark() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("session");
    let header = fs::read_to_string("tests/sessions/figure-14.session").unwrap().lines().next().unwrap().to_owned();
    let note = |events: &str| {
        fs::write(&path, format!("{header}\n{events}")).unwrap();
        gradstep(&["replay", path.to_str().unwrap(), "--format", "text"]).err
    };
    assert_eq!(note("[1,\"key\",\"l\"]\n[2,\"quit\"]\n"), "");
    let without_quit = note("[1,\"key\",\"l\"]\n");
    assert!(without_quit.ends_with("breaks off: it has 1 event, and the last does not end the program\n"), "{without_quit}");
}

/// With `--ascii`, and in a locale that is not UTF-8, the output has no byte above 0x7F.
#[test]
fn ascii_output_is_ascii() {
    let cases: &[&[&str]] = &[
        &["list"],
        &["grads", "figure-15"],
        &["trace", "figure-15", "--format", "text"],
        &["man"],
        &["completions", "zsh"],
        &["show", "figure-18", "--size", "80x24"],
        &["show", "figure-01", "--keys", "n"],
        &["check", "tests/invalid/bidi-raw-in-a-value.toml", "figure-14"],
        &["grads", "tests/invalid/homoglyph-in-a-key.toml"],
        &["show", "figure-14", "--at", "∂"],
        &["∂"],
    ];
    for case in cases {
        let mut in_c_locale = command(case);
        in_c_locale.env("LC_ALL", "C");
        for run in [finish(in_c_locale), gradstep(&[case, &["--ascii"][..]].concat())] {
            assert!(run.out.is_ascii() && run.err.is_ascii(), "{case:?}: {run:?}");
            assert!(!run.out.is_empty() || !run.err.is_empty(), "{case:?}");
        }
    }
}

/// A name can be as long as the file, and so wider than any column.
#[test]
fn a_very_long_name_is_printed() {
    let name = "a".repeat(65_536);
    let graph = format!(
        "title = \"long\"\n[graph]\ninputs = {{ {name} = 2, b = 3 }}\nnodes = [\"J = {name} * b\"]\n[train]\nlearning_rate = 1\nlearn = [\"{name}\"]\n"
    );
    // the layer has a shorter name: with `.z` at its end, it is the name of a tensor and as long as `name`
    let layers = format!(
        "title = \"long\"\ninput = [1]\ntarget = 0\nloss = \"squared_error\"\n[train]\nlearning_rate = 1\n\
         [[layer]]\nname = \"{}\"\ntype = \"linear\"\nweight = [[1]]\n",
        &name[2..]
    );
    for (text, name) in [(&graph, &name[..]), (&layers, &name[2..])] {
        for arguments in [
            &["check", "-"][..],
            &["grads", "-"],
            &["grads", "-", "--format", "json"],
            &["gradcheck", "-"],
            &["train", "-"],
            &["trace", "-"],
            &["trace", "-", "--format", "text"],
            &["trace", "-", "--format", "csv"],
            &["trace", "-", "--format", "markdown"],
            &["trace", "-", "--format", "text", "--level", "entry"],
            &["show", "-"],
            &["show", "-", "--at", "last"],
        ] {
            let run = with_input(arguments, text.as_bytes());
            assert_eq!((run.status, run.err.as_str()), (0, ""), "{arguments:?}");
            assert!(run.out.contains(name) || matches!(arguments[0], "check" | "show"), "{arguments:?}");
        }
    }
}

/// `show` and the stepper have the options of `diff` for the user's own gradients.
#[test]
fn show_marks_the_numbers_that_differ_from_the_users() {
    let plants = "tests/diff/plants";
    let (scenario, mine) = (&*format!("{plants}/scenarios/cnn-two.toml"), &*format!("{plants}/mine/kernel-not-flipped-1.json"));
    let at = ["--at", "grad.conv1.weight[0,0,0,0]#25", "--size", "120x40"];
    let show = |options: &[&str]| printed(&[&["show", scenario][..], &at, options].concat());
    assert!(!show(&[]).contains('≠'));
    let marked = show(&["--mine", mine]);
    for said in ["=−0.3194≠", "▌ ≠ yours 0.090798, right −0.31945", "2 of 6 gradients are wrong: D goes to the first difference"]
    {
        assert!(marked.contains(said), "{said}\n{marked}");
    }
    // with `--tensor conv1.bias`, only the gradient of conv1.bias is compared
    let alone = show(&["--mine", mine, "--tensor", "conv1.bias"]);
    assert!(alone.contains("the gradient is wrong") && !alone.contains("=−0.3194≠"), "{alone}");
    let pressed = show(&["--mine", mine, "--tensor", "conv1.bias", "--keys", "D"]);
    assert!(pressed.contains(" grad.conv1.bias[0]  step "), "{pressed}");
    for command in [&["show", scenario][..], &[scenario, "--plain"]] {
        let said = refused(2, &[command, &["--tensor", "conv1.bias"]].concat());
        assert!(said.starts_with("error: --tensor names a tensor of the file of --mine: add --mine FILE"), "{said}");
    }
}

/// At every size, a letter of a closed form (the formula after `all at once:`) has its definition on the screen.
#[test]
fn the_letters_of_a_closed_form_are_defined_where_they_are_used() {
    for (scenario, at, letters) in [
        ("layer-norm", "grad.a[0,1]#2", [("σ", "σ = sigma"), ("D", "D = g·∂J/∂h")]),
        ("batch-norm", "grad.x", [("σ", "1/σ = "), ("D", "D = gamma·∂J/∂y")]),
        ("softmax-cross-entropy", "grad.logits[1,2]#3", [("p", "p = softmax(logits)"), ("n", "n = 2")]),
    ] {
        for size in ["60x16", "80x24", "100x30", "120x40", "160x50", "200x60"] {
            // on a small screen, `<Tab>` brings the pane `why` to the front
            for keys in ["", "<Tab>"] {
                let frame = printed(&["show", scenario, "--at", at, "--size", size, "--keys", keys]);
                let form = frame.lines().find(|line| line.contains("all at once: ") && (line.contains("D −") || line.contains("(p − t)")));
                // a definition may be wrapped, so it is also searched in the words without line breaks
                let words = frame.split_whitespace().filter(|word| *word != "▌").collect::<Vec<_>>().join(" ");
                for (letter, definition) in letters {
                    let is_used = form.is_some_and(|line| line.contains(letter));
                    assert!(!is_used || frame.contains(definition) || words.contains(definition), "{size} {keys} {definition}\n{frame}");
                }
            }
        }
    }
}

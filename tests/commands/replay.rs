//! `replay --format` writes the frames of a session as text, as sentences, as an animated SVG image, or as a recording of a terminal.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;

use tempfile::tempdir;

use super::{gradstep, printed, refused};

const TOUR: &str = "docs/tour.session";
const HOW_TO_DRAW_THE_TOUR: &str = "draw it again: gradstep replay docs/tour.session --format svg -o docs/tour.svg";

/// The times of a session's events, in milliseconds.
fn times(session: &str) -> Vec<f64> {
    let events = session.lines().skip(1).map(|line| serde_json::from_str::<Vec<serde_json::Value>>(line).unwrap());
    events.map(|event| event[0].as_f64().unwrap()).collect()
}

/// The elements of an animated SVG that are visible at a time, as a browser shows them. `None` for the time: without animation.
///
/// An element is in a group such as `<g class="f f1">`. A rule such as `.f1{animation-name:f1}@keyframes f1{0%{visibility:hidden}25%{visibility:visible}}`
/// shows the groups of the class f1 after a quarter of the animation, whose length is in `{animation:36.977s`.
fn visible(svg: &str, at_ms: Option<f64>) -> HashSet<String> {
    let seconds: f64 = svg.split_once("{animation:").unwrap().1.split_once('s').unwrap().0.parse().unwrap();
    // whether each class is visible
    let classes: HashMap<&str, bool> = svg
        .lines()
        .filter_map(|line| line.split_once("}@keyframes "))
        .map(|(_, rule)| {
            let (name, steps) = rule.split_once('{').unwrap();
            let mut is_visible = None;
            for step in steps.trim_end_matches('}').split('}') {
                let (percent, value) = step.split_once("%{visibility:").unwrap();
                let from = percent.parse::<f64>().unwrap() / 100.0 * seconds * 1000.0;
                if at_ms.is_some_and(|at| from <= at) {
                    is_visible = Some(value == "visible");
                }
            }
            assert!(at_ms.is_none() || is_visible.is_some(), "{name} has a state from the beginning");
            (name, is_visible.unwrap_or(false))
        })
        .collect();
    let mut seen = HashSet::new();
    let mut is_shown = true;
    for line in svg.lines().filter(|line| !line.contains("keyframes") && !line.contains("@media")) {
        if let Some(group) = line.strip_prefix("<g") {
            let class = group.split_once("class=\"f ").map(|(_, rest)| rest.split_once('"').unwrap().0);
            is_shown = match (class, at_ms) {
                (Some(class), Some(_)) => classes[class],
                (Some(_), None) => !group.contains("visibility=\"hidden\""),
                (None, _) => true,
            };
        } else if is_shown && !line.starts_with("<svg") && !line.starts_with("</") && !line.starts_with("<style") {
            assert!(seen.insert(line.to_owned()), "{line} is drawn twice");
        }
    }
    seen
}

/// The elements of a frame, including its background.
fn elements(svg: &str) -> HashSet<String> {
    svg.lines().filter(|line| !line.starts_with("<svg") && !line.starts_with("</svg")).map(str::to_owned).collect()
}

#[test]
fn the_moving_picture_of_the_readme_is_a_real_session() {
    let picture = fs::read_to_string("docs/tour.svg").expect("the picture");
    assert!(picture == printed(&["replay", TOUR, "--format", "svg"]), "{HOW_TO_DRAW_THE_TOUR}");
    assert!(picture.len() < 500_000, "{} bytes", picture.len());
    assert!(
        !picture.contains("<script") && !picture.contains("http://www.w3.org/1999") && !picture.contains("url("),
        "one file without scripts"
    );
    assert!(fs::read_to_string("README.md").unwrap().contains("docs/tour.svg"));
}

/// Each frame of an animation is visible from the time of its event to the next one, and no other frame is visible then.
#[test]
fn an_animated_image_shows_each_frame_at_its_time() {
    let session = fs::read_to_string(TOUR).unwrap();
    let times = times(&session);
    for (speed, factor) in [("1", 1.0), ("2", 2.0)] {
        let movie = printed(&["replay", TOUR, "--format", "svg", "--speed", speed]);
        for event in [0, 1, 4, 8, 11, 17, 20, 30, times.len() - 3] {
            // event 0 is the opening, so `times[event]` is the time of the next event: the frame is compared shortly before it
            let at = times[event] / factor - 11.0;
            let seen = visible(&movie, Some(at));
            let frame = elements(&printed(&["replay", TOUR, "--format", "svg", "--at", &event.to_string()]));
            assert!(frame.is_subset(&seen), "event {event}");
            // the caption has at most 7 elements: the key, its background, and the words after the key
            let caption: Vec<&String> = seen.difference(&frame).collect();
            assert!(caption.len() <= 7 && (event == 0) == caption.is_empty(), "event {event}: {caption:?}");
            // these are the heights of the background and of the text below the frame
            assert!(caption.iter().all(|element| element.contains(" y=\"608.0\"") || element.contains(" y=\"621.2\"")), "{caption:?}");
        }
    }
    // without animation, the first frame is visible
    let movie = printed(&["replay", TOUR, "--format", "svg"]);
    assert_eq!(visible(&movie, None), visible(&movie, Some(0.0)));
}

#[test]
fn one_frame_is_chosen_by_its_event() {
    let shown = |at: &str, format: &str| printed(&["replay", TOUR, "--at", at, "--format", format]);
    // the tour is a session of figure-19 on a screen of 100x32
    let opened = ["show", "figure-19", "--size", "100x32"];
    assert_eq!(shown("0", "text"), printed(&opened));
    assert_eq!(shown("0", "svg"), printed(&[&opened[..], &["--format", "svg"]].concat()));
    assert_eq!(shown("3", "text"), printed(&[&opened[..], &["--keys", "lll"]].concat()));
    assert_eq!(shown("last", "text"), shown(&times(&fs::read_to_string(TOUR).unwrap()).len().to_string(), "text"));
    assert_eq!(
        refused(2, &["replay", TOUR, "--at", "99", "--format", "svg"]),
        "error: --at 99: docs/tour.session has 44 events; write a number from 0 to 44, or last\n"
    );
    assert!(refused(2, &["replay", TOUR, "--at", "-1", "--format", "svg"]).contains("--at"));
    assert!(refused(2, &["replay", TOUR, "--at", "loss", "--format", "svg"]).contains("write the number of an event, such as 12, or last"));
}

#[test]
fn the_options_for_the_background_and_for_ascii_change_an_animated_image() {
    let light = printed(&["replay", TOUR, "--format", "svg", "--background", "light"]);
    assert!(light.contains("rx=\"6\" fill=\"#ffffff\"/>"));
    assert!(printed(&["replay", TOUR, "--format", "svg"]).contains("rx=\"6\" fill=\"#161920\"/>"));
    let ascii = printed(&["replay", TOUR, "--format", "svg", "--ascii"]);
    assert!(ascii.is_ascii());
}

/// A session of figure-14 on a small screen with these events.
fn session(events: impl IntoIterator<Item = (u64, String)>) -> String {
    let text = fs::read_to_string("scenarios/figure-14.toml").unwrap();
    let header = serde_json::json!({
        "gradstep_session": 2, "program": "0.1.0", "size": [60, 16], "name": "figure-14", "scenario": text, "exact": true, "at": 1,
    });
    events.into_iter().fold(format!("{header}\n"), |mut lines, (time, event)| {
        let _ = writeln!(lines, "[{time},{event}]");
        lines
    })
}

#[test]
fn the_image_of_a_long_session_is_cut_at_a_limit_and_reports_it() {
    let folder = tempdir().unwrap();
    let (path, out) = (folder.path().join("long"), folder.path().join("long.svg"));
    let keys = (0..1100).map(|n| (n * 20, format!("\"key\",\"{}\"", if n % 2 == 0 { "l" } else { "h" })));
    fs::write(&path, session(keys.chain([(30_000, "\"quit\"".to_owned())]))).unwrap();
    let run = gradstep(&["replay", path.to_str().unwrap(), "--format", "svg", "-o", out.to_str().unwrap()]);
    assert_eq!((run.status, run.out.as_str()), (0, ""));
    assert_eq!(run.err, "note: the image ends at event 1000 of 1101: it has at most 1000 frames and 16 MiB\n");
    let movie = fs::read_to_string(&out).unwrap();
    assert!(movie.len() < 400_000 && movie.ends_with("</svg>\n"), "{} bytes", movie.len());
    assert_eq!(movie.matches(">2/10</text>").count(), 1, "each text is written once");
}

#[test]
fn very_short_frames_and_equal_frames_are_left_out() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("fast");
    let movie = |events: &[(u64, &str)]| {
        fs::write(&path, session(events.iter().map(|(time, event)| (*time, (*event).to_owned())))).unwrap();
        printed(&["replay", path.to_str().unwrap(), "--format", "svg"])
    };
    let quit = (3000, "\"quit\"");
    // three keys within 4 ms, and a turn of the wheel without an effect: after the opening, only the frame of step 4 is left
    let fast = movie(&[(1000, "\"key\",\"l\""), (1001, "\"key\",\"l\""), (1004, "\"key\",\"l\""), (2000, "\"wheel sideways\",0"), quit]);
    assert_eq!(fast.matches("@keyframes").count(), 2, "two frames");
    assert!(fast.contains(">step</text>") && visible(&fast, Some(1500.0)).iter().any(|line| line.contains(">4/10<")));
    // a session without events is a still image
    let still = movie(&[quit]);
    assert!(!still.contains("<style>") && !still.contains("hidden"));
}

#[test]
fn an_asciinema_recording_shows_the_frames() {
    let cast = printed(&["replay", TOUR, "--format", "cast", "--speed", "2"]);
    let mut lines = cast.lines();
    let header: serde_json::Value = serde_json::from_str(lines.next().unwrap()).unwrap();
    assert_eq!((&header["version"], &header["width"], &header["height"]), (&2.into(), &100.into(), &32.into()));
    let mut terminal = vt100::Parser::new(32, 100, 0);
    let mut last = 0.0;
    for line in lines {
        let (time, kind, data): (f64, String, String) = serde_json::from_str(line).unwrap();
        assert!(kind == "o" && time >= last);
        last = time;
        terminal.process(data.as_bytes());
    }
    // the last frame is that of the last `l`, at 33.97 s of the session
    assert!((16.0..18.0).contains(&last), "{last}");
    let rows: Vec<String> = terminal.screen().rows(0, 100).map(|row| row.trim_end().to_owned()).collect();
    assert_eq!(rows.join("\n") + "\n", printed(&["replay", TOUR, "--at", "last", "--format", "text"]));
    // a new size of the terminal
    let folder = tempdir().unwrap();
    let path = folder.path().join("resized");
    fs::write(&path, session([(10, "\"resize\",[70,20]".to_owned()), (20, "\"quit\"".to_owned())])).unwrap();
    assert!(printed(&["replay", path.to_str().unwrap(), "--format", "cast"]).contains("[0.01,\"r\",\"70x20\"]"));
}

#[test]
fn a_session_is_read_out_in_sentences() {
    let said = printed(&["replay", TOUR, "--format", "plain"]);
    let heads: Vec<&str> = said.lines().filter(|line| line.starts_with("> ")).collect();
    assert_eq!(heads[..3], ["> open", "> l", "> l"]);
    assert!(said.contains("Term 2 of 4 of d C by d w 1 1"), "{said}");
    assert!(!said.contains('│'), "no boxes");
    let last = printed(&["replay", TOUR, "--format", "plain", "--at", "last"]);
    assert!(last.starts_with("> l\ngrad.input[0,1,1]  step 58/64"), "{last}");
}

/// A step that needs too much memory exists, so the message does not deny it.
#[test]
fn a_session_whose_beginning_cannot_be_reached_is_refused_with_the_reason() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("far");
    let scenario = "title = \"t\"\nloss = \"squared_error\"\ninput = { init = \"ones\", shape = [450] }\ntarget = { init = \"zeros\" }\n\
                    [[layer]]\ntype = \"linear\"\nout_features = 450\nweight = { init = \"ones\" }\n\
                    [train]\nlearning_rate = 0.01\niterations = 40\n";
    let refusal = |iteration: u64, at: u64, goal: Option<&str>| {
        let header = serde_json::json!({
            "gradstep_session": 2, "program": "0.1.0", "size": [60, 16], "name": "t", "scenario": scenario, "exact": true,
            "iteration": iteration, "at": at, "to": goal,
        });
        fs::write(&path, format!("{header}\n[1,\"quit\"]\n")).unwrap();
        refused(2, &["replay", path.to_str().unwrap(), "--format", "text", "--memory-limit", "4MiB"])
    };
    // the updated weights of an iteration take 1.5 MiB
    assert!(refusal(5, 1, None).starts_with("error: the session begins at a step that cannot be reached: iteration 5 needs "));
    assert!(
        refusal(1, 1_000_000, None).starts_with("error: the session begins at a step that cannot be reached: there is no step 1000000: ")
    );
    assert!(refusal(1, 1, Some("5/first")).starts_with("error: the session goes to an address that cannot be reached: iteration 5 needs "));
}

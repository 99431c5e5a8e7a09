//! The map of the network (key `M`): its blocks, the lines between them, how many steps of each block are done, and moves from the map to steps.

use std::sync::Arc;

use gradstep::app::{Action, Document, State};
use gradstep::network::Role;
use gradstep::step::Pass;
use gradstep::ui;
use gradstep::ui::ClickTarget;
use gradstep::ui::theme::{Background, Colours, Theme};
use ratatui::layout::Rect;

use super::{RenderOptions, bundled_documents, export, frame, open_at, press, screen_document};

fn text(state: &State, (width, height): (u16, u16)) -> String {
    export::text(&frame(state, &RenderOptions::default(), width, height))
}

fn step(state: &State) -> u64 {
    state.stepper().expect("open").step
}

fn selected(state: &State) -> usize {
    state.overlay.as_ref().and_then(|overlay| overlay.map.as_ref()).expect("the map").selected
}

fn at(document: &Arc<Document>, address: &str, keys: &str) -> State {
    let mut state = open_at(document, document.trace.resolve(&address.parse().expect("an address")).expect("a step"));
    press(&mut state, keys);
    state
}

/// The lines beside the names: the line of the input passes `c1` and `c2` in its own lane, and `sum` reads both branches.
#[test]
fn skip_connections_are_lines() {
    let map = text(&at(&screen_document("resnet-block"), "grad.c2.z", "M"), (80, 24));
    let lanes: Vec<String> = map.lines().skip(1).take(20).map(|line| line.chars().skip(4).take(9).collect::<String>()).collect();
    let wanted = [
        "■    inpu",
        "│        ",
        "├→■  c1  ",
        "│ ↓   wei",
        "│ ▣ ▸c2  ",
        "↓ │   wei",
        "■ │  shor",
        "↓ │   wei",
        "■←╯  sum ",
        "↓     rea",
        "■    r   ",
        "↓        ",
        "■    gap ",
        "↓        ",
        "■    f   ",
        "↓        ",
        "■    fc  ",
        "↓     wei",
        "■    loss",
        "      C =",
    ];
    assert_eq!(lanes, wanted, "{map}");
    assert!(map.contains("reads c2, short") && map.contains("reads input"), "{map}");
    for shape in ["2×6×6", "weight 4×2×3×3", "4×3×3", "weight 3×4  bias 3", "global_avg_pool2d", "conv2d"] {
        assert!(map.contains(shape), "{shape}\n{map}");
    }
}

/// The counts beside the bars are sums of the steps of the layer's ops.
#[test]
fn the_counts_are_those_of_the_steps() {
    for document in [screen_document("resnet-block"), Arc::clone(&bundled_documents()["figure-17"])] {
        let trace = &document.trace;
        for now in [1, trace.len() / 3, trace.len() / 2, trace.len()] {
            let mut state = open_at(&document, now);
            press(&mut state, "M");
            let map = text(&state, (200, 60));
            for (layer, info) in trace.network().layers().iter().enumerate() {
                for pass in [Pass::Forward, Pass::Backward] {
                    let (mut done, mut all) = (0, 0);
                    for (run, output, span) in trace.ops() {
                        let network = trace.network_of(run);
                        let op = &network.ops()[network.producer(output).expect("computed")];
                        if network.tensor(output).layer == Some(layer) && op.pass == pass {
                            all += span.end - span.start;
                            done += span.filter(|step| *step <= now).count();
                        }
                    }
                    let name = format!("{}  ", info.name);
                    // a block has a row for the forward pass and, below it, one for the backward pass
                    let rows: Vec<&str> = map.lines().skip_while(|line| !line.contains(&name)).take(2).collect();
                    let line = rows[usize::from(pass == Pass::Backward)];
                    let count = format!(" {done}/{all} ");
                    assert!(line.contains(&count), "{} {pass:?} at {now}: {count}\n{map}", info.name);
                    // the bar has `━` for the steps that are done, and `┄` for the others
                    let bar = [line.contains('━'), line.contains('┄')];
                    assert_eq!(bar, [done > 0, done < usize::try_from(all).unwrap()], "{}\n{map}", info.name);
                }
            }
        }
    }
}

/// Enter on the block of a layer goes to the first step of this layer in the pass of the step on the screen.
#[test]
fn enter_goes_to_the_layer_in_this_pass() {
    for (name, document) in bundled_documents().iter().map(|(name, document)| (name.as_str(), document)) {
        let trace = &document.trace;
        let layers = trace.network().layers().len();
        for (_, pass, span) in trace.passes().collect::<Vec<_>>() {
            for layer in 0..layers {
                let of_layer = trace.ops().filter(|(run, output, _)| trace.network_of(*run).tensor(*output).layer == Some(layer));
                let wanted = of_layer.map(|(_, _, steps)| steps.start).filter(|step| span.contains(step)).min();
                let mut state = open_at(document, span.start);
                // block 0 is the input, and block 1 the first layer
                press(&mut state, "Mg");
                (0..=layer).for_each(|_| press(&mut state, "j"));
                press(&mut state, "<Enter>");
                if let Some(wanted) = wanted.filter(|_| pass != Pass::Loss) {
                    assert_eq!(step(&state), wanted, "{name}: layer {layer} in {pass:?}");
                }
                assert!(state.overlay.is_none(), "{name}");
                let moved = step(&state) != span.start;
                press(&mut state, "<C-o>");
                assert!(!moved || step(&state) == span.start, "{name}: the jump can be undone");
            }
        }
    }
}

#[test]
fn the_block_of_the_step_is_selected_and_marked() {
    for document in bundled_documents().values() {
        let trace = &document.trace;
        for (run, output, span) in trace.ops() {
            let mut state = open_at(document, span.start);
            press(&mut state, "M");
            let map = text(&state, (120, 40));
            let here = map.lines().find(|line| line.contains('▸')).unwrap_or_else(|| panic!("{map}"));
            let network = trace.network_of(run);
            // a step of the batch is in the line of the batch, and its layer is selected
            let is_of_batch = matches!(network.ops()[network.producer(output).expect("an op")].pass, Pass::Reduce | Pass::Update);
            assert_eq!(here.contains('◉'), !is_of_batch, "{map}");
            assert_eq!(map.lines().any(|line| line.contains('◉') && line.contains("batch   reduce ")), is_of_batch, "{map}");
            let info = network.tensor(output);
            let value = if let Role::Gradient(of) | Role::Reduced(of) = info.role { of } else { output };
            let layer = info.layer.map(|layer| network.layers()[layer].name.to_string());
            if let Some(name) = layer.or_else(|| trace.network().layers().is_empty().then(|| network.tensor(value).name.to_string())) {
                assert!(here.contains(&format!("▸{name} ")), "{name}\n{map}");
            }
        }
    }
}

#[test]
fn a_click_on_a_block_goes_where_enter_goes() {
    let document = screen_document("resnet-block");
    for size in [(80, 24), (120, 40), (200, 60)] {
        let state = at(&document, "grad.c2.z", "M");
        let screen = Rect::new(0, 0, size.0, size.1);
        let map = text(&state, size);
        for (block, name) in ["input", "c1", "c2", "short", "sum", "r", "gap", "f", "fc", "loss"].into_iter().enumerate() {
            let row = map.lines().position(|line| line.contains(&format!(" {name} ")) || line.contains(&format!("▸{name} ")));
            let row = u16::try_from(row.unwrap_or_else(|| panic!("{name}\n{map}"))).unwrap();
            assert_eq!(ui::click(&state, &RenderOptions::default(), screen, 30, row), Some(ClickTarget::Row(block)), "{name}\n{map}");
        }
        let mut clicked = state.clone();
        gradstep::app::update(&mut clicked, Action::Choose(1)); // c1
        assert_eq!(step(&clicked), document.trace.resolve(&"grad.c1.a".parse().unwrap()).unwrap());
        assert!(
            matches!(ui::click(&state, &RenderOptions::default(), screen, 30, size.1 - 1), None | Some(ClickTarget::Key(_))),
            "the key bar is no block"
        );
    }
}

#[test]
fn arrows_follow_lines() {
    let mut state = at(&screen_document("resnet-block"), "1", "Mg");
    let names = ["input", "c1", "c2", "short", "sum"];
    for (key, wanted) in [("l", "short"), ("<Right>", "sum"), ("h", "c2"), ("<Left>", "c1"), ("h", "input"), ("j", "c1"), ("<Up>", "input")]
    {
        press(&mut state, key);
        assert_eq!(names[selected(&state)], wanted, "after {key}");
    }
    press(&mut state, "h");
    assert_eq!(state.message.as_ref().unwrap().text, "this block reads no other");
    press(&mut state, "G");
    assert_eq!(selected(&state), 9, "the last block: loss");
    press(&mut state, "M");
    assert!(state.overlay.is_none());
}

/// The map of a graph shows the values and derivatives of its nodes, as far as they are computed.
#[test]
fn a_graph_has_its_nodes() {
    let document = &bundled_documents()["figure-14"];
    let map = text(&at(document, "grad.v", "M"), (80, 24));
    for line in ["■    a  given", "│ ■  b  given", "■←╯  u  a · b", "J  2 · v"] {
        assert!(map.contains(line), "{line}\n{map}");
    }
    // the derivatives by a, b, c, u, v and J: at grad.v, only the last two are known
    let numbers: Vec<&str> =
        map.lines().filter_map(|line| line.split_once(" ∂ ")).map(|(_, rest)| rest.trim_end_matches('│').trim()).collect();
    assert_eq!(numbers, ["∙", "∙", "∙", "∙", "2", "1"], "{map}");
}

#[test]
fn marks_replace_colours_also_in_ascii() {
    let state = at(&screen_document("resnet-block"), "grad.c2.z", "Mk");
    let options = RenderOptions { theme: Theme::new(Colours::None, Background::Dark), ascii: true };
    let map = export::text(&frame(&state, &options, 80, 24));
    assert!(map.is_ascii(), "{map}");
    let row = |name: &str| map.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}\n{map}")).to_owned();
    assert!(row(" c2 ").contains("@ | %"), "{map}");
    assert!(row(">c1 ").contains("+>*"), "{map}");
    assert!(row(">c1 ").contains("====") && row(" fc ").contains("===="), "{map}");
}

#[test]
fn any_size_can_be_drawn() {
    for document in
        [screen_document("resnet-block"), Arc::clone(&bundled_documents()["figure-14"]), Arc::clone(&bundled_documents()["xor"])]
    {
        for (width, height) in [(0, 0), (1, 1), (20, 6), (60, 16), (61, 17), (300, 4), (24, 80), (40, 100)] {
            for address in ["1", "last"] {
                frame(&at(&document, address, "M"), &RenderOptions::default(), width, height);
            }
        }
    }
}

/// Long texts are cut first. The shapes and the numbers of steps stay whole.
#[test]
fn a_narrow_map_shows_whole_shapes_and_counts() {
    let long = super::layers::open(
        "title = \"long\"\n[graph]\nnodes = \"\"\"\nnormed = (x - x.mean((2, 3), keepdim=True)) * 0.1111111111111111\nloss = (normed**2).sum()\n\"\"\"\n\
         [graph.inputs]\nx = { init = \"normal\", seed = 1, shape = [2, 2, 3, 3] }\n",
        "FM",
    );
    let map = text(&long, (60, 16));
    assert!(map.contains("(x - x.mean((…"), "a long text is cut: {map}");
    assert_eq!(map.matches("2×2×3×3 ").count(), 2, "{map}");
    let xor = text(&at(&bundled_documents()["xor"], "1", "M"), (60, 16));
    assert!(xor.contains(" 0/40   update ") && xor.contains(" 0/27 "), "{xor}");
}

//! For an entry that is 0 because it has no terms, gradstep shows the reason.

use super::*;

/// Opens a network with this layer on an image of 5x5. A global average pool follows the layer.
fn image(layer: &str) -> Arc<Document> {
    let rows: Vec<String> =
        (0..5).map(|y| format!("[{}]", (0..5).map(|x| (y * 5 + x + 1).to_string()).collect::<Vec<_>>().join(", "))).collect();
    small(&format!(
        "title = \"image\"\nloss = \"squared_error\"\ninput = [{}]\ntarget = [0]\n[[layer]]\n{layer}\n[[layer]]\ntype = \"global_avg_pool2d\"\n[[layer]]\ntype = \"flatten\"\n",
        rows.join(", ")
    ))
}

#[test]
fn one_sentence_explains_everywhere_why_an_entry_is_0() {
    let filter = |rows: &str, keys: &str| format!("type = \"conv2d\"\nweight = [[{rows}]]\n{keys}");
    let cases = [
        // windows of 1x1 with stride 2 cover rows and columns 0, 2 and 4: column 1 and row 3 are between them
        (filter("[[1]]", "stride = 2"), "grad.input[0,0,1]", "no window covers it: the stride steps over it"),
        (filter("[[1]]", "stride = 2"), "grad.input[0,3,0]", "no window covers it: the stride steps over it"),
        // in each row, the only window of width 4 ends at column 3
        (filter("[[1, 1, 1, 1]]", "stride = [1, 4]"), "grad.input[0,0,4]", "no window covers it: the last window ends before it"),
        // in each row, the two weights lie on columns 0 and 3 in the first window, on 1 and 4 in the second
        (
            filter("[[1, 1]]", "dilation = [1, 3]"),
            "grad.input[0,0,2]",
            "no window covers it: it is between the places of the dilated windows",
        ),
        // the only window covers rows −3 to 2, so the three upper weights lie on padding
        (
            filter("[[1], [1], [1], [1], [1], [1]]", "padding = [3, 0]\nstride = [6, 1]"),
            "grad.conv1.weight[0,0,0,0]",
            "it is over padding in every window",
        ),
        ("type = \"max_pool2d\"\nkernel_size = 2".to_owned(), "grad.input[0,0,0]", "it was not the maximum of any window that covers it"),
        ("type = \"max_pool2d\"\nkernel_size = 2".to_owned(), "grad.input[0,4,4]", "no window covers it: the last window ends before it"),
        (
            "type = \"avg_pool2d\"\nkernel_size = 1\nstride = 2".to_owned(),
            "grad.input[0,1,1]",
            "no window covers it: the stride steps over it",
        ),
        (
            "type = \"conv_transpose2d\"\nweight = [[[[1]]]]\nstride = 2".to_owned(),
            "layer1.z[0,0,1]",
            "no input lays the filter on it: the stride steps over it",
        ),
        (format!("type = \"dropout\"\np = 0.5\nmask = [{}]", ["[0, 1, 1, 1, 1]"; 5].join(", ")), "layer1.a[0,0]", "the mask drops it"),
    ];
    for (layer, entry, why) in cases {
        let document = image(&layer);
        let network = document.trace.network();
        // `layer1.z` and `layer1.a` stand for the layer's output, whose name depends on the type of the layer
        let output = network.tensor(network.ops()[0].output).name.to_string();
        let entry = entry.replace("layer1.z", &output).replace("layer1.a", &output);
        let (tensor, index) = entry.split_once('[').unwrap();
        let id = network.find(tensor).unwrap();
        let index: Vec<usize> = index.trim_end_matches(']').split(',').map(|n| n.parse().unwrap()).collect();
        let at = tensor::ravel(&index, &network.tensor(id).shape).unwrap();
        assert_eq!(document.trace.run(0).values(id)[at].to_bits(), 0, "{entry} is 0");
        let sentence = format!("{entry} is 0: {why}");
        // the prompt
        let mut driver = driver_at(&document, document.trace.len());
        press(&mut driver, &format!(":{entry}<Enter>"));
        assert_eq!(message(&driver), sentence);
        // a click, at a step whose op has the tensor on the screen
        let last_step = document.trace.ops().find(|(_, tensor, _)| *tensor == id).unwrap_or_else(|| panic!("{entry}")).2.end - 1;
        let mut driver = driver_at(&document, last_step);
        update(&mut driver.state, Action::GoToEntry(id, at));
        assert_eq!(message(&driver), sentence);
        // the cursor, t and m
        press(&mut driver, "i");
        update(&mut driver.state, Action::GoToEntry(id, at));
        assert_eq!(subject(&driver), TensorEntry { tensor: id, at });
        let shown = frame(&driver, (120, 40));
        let last = shown.lines().last().unwrap();
        // the sentence of the prompt is about the entry in one run. In another run, the same entry may have terms
        let is_in_only_one_run = document.trace.ops().filter(|(_, tensor, _)| *tensor == id).all(|(.., span)| span.end == last_step + 1);
        if is_in_only_one_run && number_of(&document.trace, last_step, id, at).is_some() {
            assert!(last.contains(&sentence), "{last}");
            for key in ["t", "w", "m"] {
                press(&mut driver, key);
                assert_eq!(message(&driver), sentence, "{key}");
            }
        }
    }
}

#[test]
fn the_gradients_of_the_later_entries_of_a_tie_are_0_and_the_reason_is_shown() {
    let document = small(
        "title = \"ties\"\nloss = \"squared_error\"\ninput = [[1, 1], [0, 1]]\ntarget = [0]\n[[layer]]\ntype = \"max_pool2d\"\nkernel_size = 2\n[[layer]]\ntype = \"flatten\"\n",
    );
    let mut driver = driver_at(&document, 1);
    press(&mut driver, ":grad.input[0,0,1]<Enter>");
    assert_eq!(message(&driver), "grad.input[0,0,1] is 0: an equal entry before it counts as the maximum");
    press(&mut driver, ":grad.input[0,1,0]<Enter>");
    assert_eq!(message(&driver), "grad.input[0,1,0] is 0: it was not the maximum of any window that covers it");
}

/// A max pool takes the last NaN of a window, `max` over an axis the first one.
#[test]
fn a_nan_that_is_not_chosen_names_the_other_nan() {
    let why = |text: &str, entry: &str| {
        let document = small(text);
        let mut driver = driver_at(&document, 1);
        press(&mut driver, &format!(":{entry}<Enter>"));
        message(&driver)
    };
    // g is ∞ − ∞ = NaN where x is 1, and 0 where x is 0
    let graph = |result: &str, x: &str| {
        format!("title = \"graph\"\n[graph]\nnodes = \"h = x * 1e200 * 1e200; g = h - h; J = sum({result})\"\n[graph.inputs]\nx = {x}\n")
    };
    // J.1 is g as the image that the pool reads
    let pool = graph("F.max_pool2d(g, 2)", "[[[1, 0], [0, 1]]]");
    assert_eq!(why(&pool, "grad.J.1[0,0,0]"), "grad.J.1[0,0,0] is 0: a NaN after it counts as the maximum");
    assert_eq!(why(&pool, "grad.J.1[0,0,1]"), "grad.J.1[0,0,1] is 0: it was not the maximum of any window that covers it");
    for (function, extremum) in [("max", "maximum"), ("min", "minimum")] {
        let graph = graph(&format!("g.{function}(1).values"), "[[0, 1, 0, 1]]");
        assert_eq!(why(&graph, "grad.g[0,3]"), format!("grad.g[0,3] is 0: a NaN before it counts as the {extremum}"));
        assert_eq!(why(&graph, "grad.g[0,0]"), format!("grad.g[0,0] is 0: it was not the {extremum}"));
    }
}

#[test]
fn no_entry_without_terms_has_the_fallback_reason() {
    let files = std::fs::read_dir("tests/oracle").unwrap().chain(std::fs::read_dir("tests/valid").unwrap());
    let mut reasons = HashSet::new();
    for path in files.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "toml")) {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let name = path.display().to_string();
        let Ok(scenario) = read(Source { name: name.clone(), path_shown: name.clone(), text }, Limits::default()) else { continue };
        let document = Document::new(scenario);
        for (run, tensor, _) in document.trace.ops() {
            let entries = tensor::len(&document.trace.network_of(run).tensor(tensor).shape);
            for entry in (0..entries).take(500) {
                if document.trace.entry_steps(run, tensor, entry).is_some_and(|steps| steps.is_empty()) {
                    let why = document.trace.reason_unreached(run, tensor, entry);
                    // the reason that is given if the op has no reason of its own
                    assert_ne!(why, "no term contributes to it", "{name}: {}", document.trace.network_of(run).tensor(tensor).name);
                    reasons.insert(why);
                }
            }
        }
    }
    assert!(reasons.len() >= 4, "the files have entries with few different reasons: {reasons:?}");
}

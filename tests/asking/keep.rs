//! Copies of an entry (key `y`), bookmarks (`'`) and watched entries (`v`) keep the right number, the right step and the right entry.

use super::*;

#[test]
fn only_computed_numbers_are_copied() {
    let document = small(CONV);
    let mut driver = at_address(&document, "conv1.z[0,1,0]#3");
    let copy = |driver: &mut Driver, key: &str| {
        press(driver, "y");
        press(driver, key);
        assert!(driver.state.overlay.is_none());
        driver.take_copied()
    };
    // 1·4 + 0·5 + 0·7
    assert_eq!(copy(&mut driver, "<Enter>").as_deref(), Some("4"));
    assert_eq!(message(&driver), "copied: 4");
    assert_eq!(copy(&mut driver, "v").as_deref(), Some("4"));
    // the address has the term, so it leads to this step
    assert_eq!(copy(&mut driver, "a").as_deref(), Some("conv1.z[0,1,0]#3"));
    assert_eq!(
        copy(&mut driver, "n").as_deref(),
        Some(
            "np.array([[[-4, -4],\n           [4, np.nan]],\n          [[np.nan, np.nan],\n           [np.nan, np.nan]]])  # np.nan: not computed yet; conv1.z[0,1,0]: the sum so far"
        )
    );
    let equation = copy(&mut driver, "e").unwrap();
    let lines: Vec<&str> = equation.lines().collect();
    assert_eq!(lines.len(), 3, "{equation}");
    assert!(lines[2].ends_with("= 1·4 + 0·5 + 0·7 + …"), "{equation}");
    let latex = copy(&mut driver, "l").unwrap();
    let wanted = [
        r"\begin{aligned}",
        r"z^{(1)} &= W^{(1)} * a^{(0)} + b^{(1)} \\",
        r"z_{121} &= w_{111} \cdot a_{21} + w_{112} \cdot a_{22} + w_{121} \cdot a_{31} + w_{122} \cdot a_{32} + b_{1} \\",
        r" &= 1 \cdot 4 + 0 \cdot 5 + 0 \cdot 7 + \dots",
        r"\end{aligned}",
    ];
    assert_eq!(latex.lines().collect::<Vec<_>>(), wanted, "{latex}");
    // `i` opens the cursor at [0,1,0], and `l` moves it to [0,1,1]; a number that is not computed yet cannot be copied
    press(&mut driver, "il");
    assert_eq!(copy(&mut driver, "v"), None);
    assert_eq!(copy(&mut driver, "e"), None);
    let address = copy(&mut driver, "a");
    assert_eq!(address.as_deref(), Some("conv1.z[0,1,1]"));
}

#[test]
fn copied_numbers_read_back_to_the_same_bits() {
    for (name, document) in scenarios() {
        for now in tested_steps(&document) {
            let mut driver = driver_at(&document, now);
            // `i` opens the cursor, `<Tab>` moves it to the next matrix, `y` opens the list of formats, and `n` copies in the format NumPy
            press(&mut driver, "i<Tab>yn");
            let text = driver.take_copied().unwrap();
            let TensorEntry { tensor, .. } = subject(&driver);
            let run = document.trace.position(now).unwrap().run_index;
            let entries = tensor::len(&document.trace.network_of(run).tensor(tensor).shape);
            if entries > 10_000 {
                // of a large tensor, only the entry under the cursor is copied: `2 * 3 + 1 * -4  # fc1.z[0]`
                assert!(text.contains('#') && !text.contains("np.array"), "{name}: {text}");
                continue;
            }
            if document.trace.network().layers().is_empty() && !text.contains("np.array") {
                continue; // a line of NumPy that computes a gradient, such as `dx = dy * w`: `tests/graphs/numpy.rs` runs such lines
            }
            // `np.array([[-4, np.nan]])  # …` becomes `-4,np.nan`, and `np.nan` is read as NaN
            let array = text.split("  #").next().unwrap();
            let array = array.strip_prefix("np.array(").and_then(|text| text.strip_suffix(')')).unwrap_or_else(|| panic!("{name}: {text}"));
            let numbers = array.replace(['[', ']', ' ', '\n'], "");
            let read: Vec<f64> = numbers.split(',').map(|number| number.parse().unwrap_or(f64::NAN)).collect();
            assert_eq!(read.len(), entries, "{name}: step {now}");
            for (entry, read) in read.iter().enumerate() {
                let known = number_of(&document.trace, now, tensor, entry);
                assert_eq!(
                    known.map_or(f64::NAN.to_bits(), f64::to_bits),
                    read.to_bits(),
                    "{name}: step {now}: entry {entry} of tensor {tensor}"
                );
            }
        }
    }
}

#[test]
fn a_copy_is_returned_to_the_caller_as_a_request() {
    let document = small(CONV);
    let mut state = at_address(&document, "conv1.z[0,0,0]#4").state;
    let request = update(&mut state, Action::Copy(gradstep::app::CopyFormat::Value));
    // 1·1 + 0·2 + 0·4 + (−1)·5
    assert_eq!(request, Some(Request::Copy("-4".to_owned())));
}

#[test]
fn bookmarks_lead_back_to_their_steps() {
    let document = small(CONV);
    let mut driver = driver_at(&document, 7);
    press(&mut driver, "'<Enter>");
    assert_eq!(message(&driver), "bookmarked conv1.z[0,0,1]#2: the key ' lists all bookmarks");
    press(&mut driver, "G'<Enter>g'");
    // the first row is the step on the screen: `<Enter>` adds or removes its bookmark
    let addresses: Vec<String> = rows(&driver).into_iter().map(|(cells, _)| cells[0].clone()).collect();
    let last = document.trace.address(&document.trace.position(document.trace.len()).unwrap()).to_string();
    assert_eq!(addresses, ["conv1.z[0,0,0]#1", "conv1.z[0,0,1]#2", last.as_str()]);
    press(&mut driver, "j<Enter>");
    assert_eq!(step(&driver), 7);
    press(&mut driver, "<C-o>");
    assert_eq!(step(&driver), 1, "going to a bookmark is a jump");
    // `<C-n>` undoes `<C-o>`: it goes to step 7, where the first row removes the bookmark
    press(&mut driver, "<C-n>'<Enter>'");
    assert_eq!(rows(&driver).len(), 2);
}

#[test]
fn a_watched_entry_has_its_number_at_every_step() {
    let document = small(CONV);
    let mut driver = at_address(&document, "conv1.z[0,1,0]#1");
    let before = frame(&driver, (80, 24));
    press(&mut driver, "v");
    assert_eq!(message(&driver), "watching conv1.z[0,1,0]");
    let id = document.trace.network().find("conv1.z").unwrap();
    let entry = 2; // [0,1,0]
    for (n, now) in (1..=document.trace.len()).enumerate() {
        let size = [(80, 24), (120, 40), (200, 60)][n % 3];
        update(&mut driver.state, Action::GoToStep(now));
        let shown = frame(&driver, size);
        let line = shown.lines().find(|line| line.starts_with(" watch  ")).unwrap_or_else(|| panic!("{shown}"));
        let steps = document.trace.entry_steps(0, id, entry).unwrap();
        let expected = match number_of(&document.trace, now, id, entry) {
            None => "conv1.z[0,1,0] not computed yet".to_owned(),
            Some(sum) if now + 1 < steps.end => format!("conv1.z[0,1,0] = {} so far", short(sum)),
            Some(value) => format!("conv1.z[0,1,0] = {}", short(value)),
        };
        assert_eq!(line.trim_start_matches(" watch  ").trim_end(), expected, "step {now}");
    }
    press(&mut driver, ":conv1.z[0,1,0]#1<Enter>v");
    assert_eq!(message(&driver), "no longer watching conv1.z[0,1,0]");
    press(&mut driver, "<Esc>");
    assert_eq!(frame(&driver, (80, 24)), before);
}

#[test]
fn a_watch_stays_with_its_sample_and_follows_to_other_iterations() {
    let (_, document) = scenarios().into_iter().find(|(name, _)| name == "xor").unwrap();
    let mut driver = at_address(&document, "2:fc1.z[0]#2");
    press(&mut driver, "v");
    let line = |driver: &Driver| {
        let shown = frame(driver, (200, 60));
        shown.lines().find(|line| line.starts_with(" watch  ")).map(|line| line.trim_start_matches(" watch  ").trim_end().to_owned())
    };
    let run = 1; // that of the second sample
    let complete_line = |document: &Document| {
        let id = document.trace.network_of(run).find("fc1.z").unwrap();
        format!("2:fc1.z[0] = {}", short(document.trace.run(run).values(id)[0]))
    };
    press(&mut driver, "g");
    assert_eq!(line(&driver).as_deref(), Some("2:fc1.z[0] not computed yet"));
    press(&mut driver, "G");
    assert_eq!(line(&driver), Some(complete_line(&document)));
    press(&mut driver, ":5/last<Enter>");
    let iteration_5 = Arc::clone(&driver.state.stepper().unwrap().document);
    assert_eq!(iteration_5.trace.iteration(), 5);
    assert_eq!(line(&driver), Some(complete_line(&iteration_5)));
    assert_ne!(complete_line(&iteration_5), complete_line(&document), "the weights have changed");
}

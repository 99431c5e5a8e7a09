//! Tests of rules in ARCHITECTURE that the compiler does not check: no module imports from a higher floor, files do not import each other in a circle, some
//! modules may not use some names, and files, functions and comment lines are not too long.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The largest number of lines of a file.
const LONGEST_FILE: usize = 500;

/// The largest number of lines of a function, except for [`TABLES`].
const LONGEST_FUNCTION: usize = 80;
/// Functions that are lists of literals, and may be longer.
const TABLES: &[&str] = &["glyph.rs: ascii"];

/// The floor of `lib.rs` and `main.rs`, which is above all others.
const ROOF: usize = usize::MAX;

/// The files of the library, by their paths in `src`.
fn sources() -> Vec<(PathBuf, String)> {
    files("src")
}

/// The Rust files in a folder of the project, by their paths in it.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let (mut folders, mut files) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    files.sort();
    files
}

/// The floor of each module, from the comments of `lib.rs`.
fn floors() -> HashMap<String, usize> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let mut floor = None;
    let mut floors = HashMap::new();
    for line in text.lines() {
        if let Some(number) = line.strip_prefix("// floor ") {
            let number: usize = number.trim().parse().expect("a floor's number");
            assert!(floor.is_none_or(|below| below < number), "floor {number} is out of order in lib.rs");
            floor = Some(number);
        } else if let Some(name) = line.trim_start_matches("pub ").strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
            floors.insert(name.to_owned(), floor.unwrap_or_else(|| panic!("{name} has no floor in lib.rs")));
        }
    }
    floors
}

/// The floor of each module, as drawn in ARCHITECTURE.
fn drawn_floors() -> HashMap<String, usize> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let (_, drawing) = text.split_once("floor │ modules").expect("the drawing of the floors");
    let mut floors = HashMap::new();
    let mut floor = 0;
    // the rest of the heading and the line below it are skipped; a line without a number continues the floor above it
    for line in drawing.lines().skip(2).take_while(|line| *line != "```") {
        let [number, modules, _] = line.splitn(3, '│').collect::<Vec<_>>()[..] else { panic!("{line:?} is not a line of the drawing") };
        floor = number.trim().parse().unwrap_or(floor);
        floors.extend(modules.split_whitespace().map(|module| (module.to_owned(), floor)));
    }
    floors
}

#[test]
fn architecture_draws_the_floors_of_the_library() {
    assert_eq!(drawn_floors(), floors());
}

/// The text with its comment lines made empty.
fn code(text: &str) -> String {
    text.lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line }.to_owned() + "\n").collect()
}

/// The code without the tests at the end of the file.
fn without_tests(code: &str) -> &str {
    code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn words(code: &str) -> impl Iterator<Item = &str> {
    code.split(|c| !is_name(c)).filter(|word| !word.is_empty())
}

/// The first names of the paths in a use-tree: `a` in `a::b`, `a` and `c` in `{a::b, c}`.
fn heads(tree: &str) -> Vec<&str> {
    let Some(group) = tree.strip_prefix('{') else { return words(tree).take(1).collect() };
    let (mut depth, mut heads, mut is_path_start) = (0, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => is_path_start = true,
            c if is_path_start && is_name(c) => {
                heads.extend(words(&group[at..]).next());
                is_path_start = false;
            }
            _ => {}
        }
    }
    heads
}

/// The top-level modules that a file names after `crate::`, `gradstep::` or `super::super::` …: in `trace/find.rs`, two `super::` are the root.
fn imports<'c>(path: &Path, code: &'c str) -> Vec<&'c str> {
    let mut found = Vec::new();
    for root in ["crate::", "gradstep::"] {
        for (at, _) in code.match_indices(root) {
            if !code[..at].ends_with(is_name) {
                found.extend(heads(&code[at + root.len()..]));
            }
        }
    }
    let depth = path.components().count();
    for (at, up) in code.match_indices("super::") {
        if !code[..at].ends_with("super::") {
            let tree = code[at..].trim_start_matches(up);
            let levels = (code.len() - at - tree.len()) / up.len();
            if levels >= depth {
                found.extend(heads(tree));
            }
        }
    }
    found
}

/// The top-level module that contains a file; `None` for `lib.rs` and `main.rs`.
fn module(path: &Path) -> Option<String> {
    let first = path.components().next()?.as_os_str().to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (!matches!(name, "lib" | "main")).then(|| name.to_owned())
}

/// The modules of higher floors that a file imports.
fn upward(floors: &HashMap<String, usize>, path: &Path, text: &str) -> Vec<String> {
    let own_floor = match module(path) {
        Some(name) => *floors.get(&name).unwrap_or_else(|| panic!("{name} has no floor in lib.rs")),
        None => ROOF,
    };
    let code = code(text);
    let above = |name: &&str| floors.get(*name).is_some_and(|floor| *floor > own_floor);
    imports(path, &code).into_iter().filter(above).map(str::to_owned).collect()
}

/// Names that may not appear in the files of these modules.
const FORBIDDEN: &[(&[&str], &[&str])] = &[
    (&["app", "keys", "ui"], &["crossterm", "fs", "Instant", "SystemTime", "stdin", "stdout", "stderr"]),
    (
        &["tensor", "number", "python", "step", "op", "network", "trace", "scenario", "gradcheck", "scene"],
        &["ratatui", "crossterm", "fs", "Instant", "SystemTime"],
    ),
    (&["app"], &["ratatui"]),
    // panes get numbers only from the scene, which has no number of a later step
    (&["ui"], &["trace", "Trace", "descent", "document.is_last_iteration", "document.loss", ".values(", "network::Run"]),
    // before its loss, the screen does not show the iteration as it is computed, but as it is planned
    (&["ui"], &["stepper.document", ".document()"]),
    (&["scene"], NUMBERS),
    // `--threads` limits the number of threads
    (&["op", "network", "trace", "scenario", "gradcheck", "app", "command", "files", "session", "terminal"], &["available_parallelism"]),
];

/// Calls that return numbers of a trace. In the scene, only the file [`KNOWN`] may use them.
const NUMBERS: &[&str] = &[
    ".values(",
    ".progress(&",
    ".sampled_entries(",
    ".contributions(",
    "trace.step(",
    "trace.get(",
    "trace.closed_formula(",
    "trace.paths(",
    "trace.run(",
];
/// The only file of the scene that reads numbers from the trace.
const KNOWN: &str = "scene/known.rs";

/// Functions of the standard library whose bits depend on the system. `libm` has the same bits everywhere; and a program that uses none of these functions does
/// not load the system's library of them when it starts.
const ELEMENTARY: &[&str] = &[
    "exp", "exp2", "exp_m1", "ln", "ln_1p", "log", "log2", "log10", "powf", "cbrt", "hypot", "sin", "cos", "tan", "asin", "acos", "atan",
    "atan2", "sin_cos", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
];
/// Modules of Python, whose functions the program writes as text: `np.exp(x)`.
const PYTHON_MODULES: &[&str] = &["np", "math", "torch"];

/// Macros that print without escaping, and macros for unfinished code.
const MACROS: &[&str] = &["print", "println", "eprint", "eprintln", "dbg", "todo", "unimplemented"];

fn forbidden(path: &Path, text: &str) -> Vec<String> {
    if path.ends_with("tests.rs") {
        return Vec::new(); // tests may measure time and print
    }
    let code = code(text);
    let mut found = Vec::new();
    if let Some(module) = module(path) {
        let names = FORBIDDEN.iter().filter(|(modules, _)| modules.contains(&module.as_str())).flat_map(|(_, names)| *names);
        let names = names.filter(|name| path != Path::new(KNOWN) || !NUMBERS.contains(name));
        let has = |name: &str| if name.chars().all(is_name) { words(&code).any(|word| word == name) } else { code.contains(name) };
        found.extend(names.filter(|name| has(name)).map(|name| (*name).to_owned()));
    }
    // tests may compare with the system's functions
    let own = without_tests(&code);
    for name in ELEMENTARY {
        let (call, path) = (format!(".{name}("), format!("f64::{name}"));
        let is_call = |(at, _): (usize, &str)| !PYTHON_MODULES.iter().any(|module| own[..at].ends_with(module));
        let is_path = |(at, _): (usize, &str)| !own[at + path.len()..].starts_with(is_name);
        if own.match_indices(&call).any(is_call) || own.match_indices(&path).any(is_path) {
            found.push(call);
        }
    }
    for name in MACROS {
        let call = format!("{name}!");
        if code.match_indices(&call).any(|(at, _)| !code[..at].ends_with(is_name)) {
            found.push(call);
        }
    }
    found
}

#[test]
fn no_module_imports_from_a_higher_floor() {
    let floors = floors();
    let mut counted = 0;
    for (path, text) in sources() {
        let above = upward(&floors, &path, &text);
        assert!(above.is_empty(), "src/{} imports {above:?} from above", path.display());
        counted += imports(&path, &code(&text)).len();
    }
    assert!(counted > 100, "only {counted} imports were found");
}

/// The paths in a use-tree, each as a list of names: `a::b` and `a::c` in `a::{b, c}`.
fn paths(tree: &str) -> Vec<Vec<&str>> {
    // reads one path or group that follows the names `before`, appends its paths, and returns the rest of the text
    fn item<'c>(rest: &'c str, before: &[&'c str], to: &mut Vec<Vec<&'c str>>) -> &'c str {
        let mut path = before.to_vec();
        let mut rest = rest.trim_start();
        loop {
            if let Some(group) = rest.strip_prefix('{') {
                rest = group.trim_start();
                while !rest.is_empty() && !rest.starts_with('}') {
                    let after = item(rest, &path, to);
                    let after = after.trim_start_matches(|c: char| c != ',' && c != '}').trim_start_matches(',').trim_start();
                    if after.len() == rest.len() {
                        break;
                    }
                    rest = after;
                }
                return rest.strip_prefix('}').unwrap_or(rest);
            }
            let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
            if end == 0 {
                to.push(path);
                return rest;
            }
            path.push(&rest[..end]);
            let Some(after) = rest[end..].strip_prefix("::") else {
                to.push(path);
                return &rest[end..];
            };
            rest = after;
        }
    }
    let mut all = Vec::new();
    item(tree, &[], &mut all);
    all
}

/// The names in the path of a file's module: `ui` and `view` for `ui/view.rs`.
fn names(path: &Path) -> Vec<String> {
    path.with_extension("").iter().map(|name| name.to_string_lossy().into_owned()).collect()
}

/// The modules that a file names, as indices in `all`, except modules that contain the file and modules inside it.
fn cousins(all: &[Vec<String>], own: &[String], text: &str) -> Vec<usize> {
    let code = code(text);
    let code = without_tests(&code);
    let mut found = Vec::new();
    let mut add_modules = |base: &[String], rest: &str| {
        for path in paths(rest) {
            let full_path: Vec<&str> = base.iter().map(String::as_str).chain(path).collect();
            let named = (1..=full_path.len()).rev().find_map(|n| all.iter().position(|module| *module == full_path[..n]));
            found.extend(named.filter(|&n| !own.starts_with(&all[n]) && !all[n].starts_with(own)));
        }
    };
    for (at, root) in code.match_indices("crate::").chain(code.match_indices("self::")) {
        if !code[..at].ends_with(is_name) {
            add_modules(if root == "crate::" { &[] } else { own }, &code[at + root.len()..]);
        }
    }
    for (at, up) in code.match_indices("super::").filter(|(at, _)| !code[..*at].ends_with("super::")) {
        let rest = code[at..].trim_start_matches(up);
        let levels = (code.len() - at - rest.len()) / up.len();
        add_modules(&own[..own.len().saturating_sub(levels)], rest);
    }
    found
}

/// Returns the modules of a cycle of imports, as indices; `None` if there is no cycle.
fn find_cycle(imports: &[Vec<usize>]) -> Option<Vec<usize>> {
    fn visit(module: usize, imports: &[Vec<usize>], done: &mut [bool], path: &mut Vec<usize>) -> Option<Vec<usize>> {
        if let Some(begin) = path.iter().position(|earlier| *earlier == module) {
            return Some(path[begin..].to_vec());
        }
        if done[module] {
            return None;
        }
        path.push(module);
        let found = imports[module].iter().find_map(|next| visit(*next, imports, done, path));
        path.pop();
        done[module] = true;
        found
    }
    let mut done = vec![false; imports.len()];
    (0..imports.len()).find_map(|module| visit(module, imports, &mut done, &mut Vec::new()))
}

#[test]
fn imports_have_no_cycles() {
    let sources = sources();
    let all: Vec<Vec<String>> = sources.iter().map(|(path, _)| names(path)).collect();
    let is_test = |path: &Path| names(path).iter().any(|name| name == "tests");
    let imports_of = |(path, text): &(PathBuf, String)| if is_test(path) { Vec::new() } else { cousins(&all, &names(path), text) };
    let imports: Vec<Vec<usize>> = sources.iter().map(imports_of).collect();
    let counted: usize = imports.iter().map(Vec::len).sum();
    assert!(counted > 500, "only {counted} imports were found");
    let cycle = find_cycle(&imports).map(|cycle| cycle.into_iter().map(|n| all[n].join("/")).collect::<Vec<_>>());
    assert_eq!(cycle, None, "these files import each other");
}

#[test]
fn no_module_uses_a_forbidden_name() {
    for (path, text) in sources() {
        let found = forbidden(&path, &text);
        assert!(found.is_empty(), "src/{} has {found:?}", path.display());
    }
}

/// The names of a file's functions, each with its number of lines. The text must be formatted by rustfmt: a function ends at the next brace with the
/// indentation of its first line.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some((before, rest)) = line.split_once("fn ") else { continue };
        let is_item = before.trim().split(' ').all(|word| matches!(word, "" | "pub" | "const" | "pub(super)" | "pub(crate)" | "unsafe"));
        let name = words(rest).next().unwrap_or_default();
        let closes = |other: &&str| other.trim() == "}" && indent(other) == indent(line);
        if is_item
            && !line.ends_with([';', '}'])
            && let Some(length) = lines[at..].iter().position(closes)
        {
            found.push((name, length + 1));
        }
    }
    found
}

#[test]
fn files_and_functions_stay_small() {
    let (mut file_count, mut function_count) = (0, 0);
    for folder in ["src", "tests", "benches"] {
        for (path, text) in files(folder) {
            let lines = text.lines().count();
            assert!(lines <= LONGEST_FILE, "{folder}/{} has {lines} lines", path.display());
            file_count += 1;
            for (name, lines) in functions(&text) {
                let is_table = TABLES.contains(&format!("{}: {name}", path.display()).as_str());
                assert!(lines <= LONGEST_FUNCTION || is_table, "{folder}/{}: {name} has {lines} lines", path.display());
                function_count += 1;
            }
        }
    }
    assert!(file_count > 300 && function_count > 2_000, "only {file_count} files and {function_count} functions were found");
}

/// The largest width of a line with a comment. The formatter checks the width of code, but not that of comments.
const WIDEST: usize = 160;

/// The line numbers of comments that are wider than [`WIDEST`].
fn wide_comments(text: &str) -> Vec<usize> {
    let is_wide = |line: &str| line.trim_start().starts_with("//") && line.chars().count() > WIDEST;
    text.lines().zip(1..).filter(|(line, _)| is_wide(line)).map(|(_, number)| number).collect()
}

#[test]
fn comments_are_wrapped() {
    for folder in ["src", "tests", "benches"] {
        for (path, text) in files(folder) {
            let wide = wide_comments(&text);
            assert!(wide.is_empty(), "{folder}/{}: the lines {wide:?} have more than {WIDEST} characters", path.display());
        }
    }
    // characters are counted, not bytes; the four blanks and the // are 6 of them
    let [fits, wide] = [160, 161].map(|width| format!("let x = 1;\n    //{}\n", "é".repeat(width - 6)));
    assert_eq!([wide_comments(&fits), wide_comments(&wide)], [vec![], vec![2]]);
}

#[test]
fn violations_are_found() {
    let long = format!("impl A {{\n    pub fn f() {{\n{}    }}\n\n    fn g() {{}}\n}}\n", "        1;\n".repeat(90));
    // 90 lines, the first line and the last
    assert_eq!(functions(&long), [("f", 92)]);
    let floors = floors();
    for (path, text) in [
        ("op/conv2d.rs", "use crate::network::Run;"),
        ("op/conv2d.rs", "fn f() { let x = crate::ui::render(); }"),
        ("step.rs", "use crate::{tensor::Index, op::{rule, layer}};"),
        ("step.rs", "use super::trace::Trace;"),
        ("op/loss/upstream.rs", "use super::super::super::app;"),
        ("scenario.rs", "use crate::{\n    network::Network,\n    app,\n};"),
        ("ui/view.rs", "pub use crate::terminal;"),
    ] {
        assert!(!upward(&floors, Path::new(path), text).is_empty(), "{path}: {text}");
    }
    for (path, text) in [
        ("op/conv2d.rs", "use super::rule::Rule; use crate::step::Step;"),
        ("op/conv2d.rs", "/// [`crate::ui`]\nuse crate::tensor::{ui, Index};"),
        ("trace/find.rs", "use super::Trace; use crate::network::Id;"),
        ("main.rs", "gradstep::command::main()"),
    ] {
        assert!(upward(&floors, Path::new(path), text).is_empty(), "{path}: {text}");
    }
    for (path, text) in [
        ("ui/view.rs", "use std::fs;"),
        ("ui/view.rs", "use std::{fs::File, io};"),
        ("app.rs", "use std::time::{Duration, Instant};"),
        ("keys.rs", "use ratatui::crossterm::event::KeyCode;"),
        ("terminal.rs", "println!(\"here\");"),
        ("op.rs", "dbg!(x)"),
        ("command/trace.rs", "use std::thread::available_parallelism;"),
        ("ui/matrix.rs", "let value = view.document.trace.run(0).values(id)[at];"),
        ("ui/header.rs", "if view.document.is_last_iteration {}"),
        ("ui/popup.rs", "let document = state.document();"),
        ("scene/reads.rs", "let next = self.trace.step(&at).value;"),
        ("number.rs", "magnitude.log10().floor()"),
        ("op.rs", "values.map(f64::exp)"),
    ] {
        assert!(!forbidden(Path::new(path), text).is_empty(), "{path}: {text}");
    }
    assert!(forbidden(Path::new("terminal.rs"), "use std::fs; my_println!(x)").is_empty());
    assert!(forbidden(Path::new(KNOWN), "trace.step(at)").is_empty());
    assert!(forbidden(Path::new("op.rs"), ".numpy(\"np.exp({0})\") libm::exp(x) #[cfg(test)]\nmod tests {\nx.exp()").is_empty());
    let all: Vec<Vec<String>> =
        ["ui.rs", "ui/view.rs", "ui/matrix.rs", "ui/matrix/layout.rs", "op/rule.rs"].map(|path| names(Path::new(path))).to_vec();
    for (path, text, named) in [
        ("ui/view.rs", "use super::matrix::Matrix;", &["ui/matrix"][..]),
        (
            "ui/view.rs",
            "use crate::{op::rule::{self, Rule}, ui::matrix::{layout, Mark as M}};",
            &["op/rule", "op/rule", "ui/matrix/layout", "ui/matrix"],
        ),
        ("ui/matrix/layout.rs", "fn f() { super::super::view::width() }", &["ui/view"]),
        ("ui/matrix.rs", "use self::layout::Layout; use super::Target;", &[]),
    ] {
        let found: Vec<String> = cousins(&all, &names(Path::new(path)), text).into_iter().map(|n| all[n].join("/")).collect();
        assert_eq!(found, named, "{path}: {text}");
    }
    assert_eq!(find_cycle(&[vec![1], vec![2], vec![1]]), Some(vec![1, 2]));
    assert_eq!(find_cycle(&[vec![1, 2], vec![2], vec![]]), None);
}

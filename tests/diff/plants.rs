//! Gradients of backward passes with a mistake, as students write them (`tests/diff/plants`): `diff` finds the first wrong tensor, and all other wrong ones.

use std::fs;
use std::path::{Path, PathBuf};

use gradstep::app::Document;
use gradstep::diff::{Report, Status, UserGradients, UserTolerance, read};
use serde_json::Value;

use super::document;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/diff/plants")
}

/// The cases of the manifest: those of each mistake, and those that a search over random networks found.
pub fn cases() -> Vec<Value> {
    let manifest = fs::read_to_string(folder().join("manifest.json")).expect("the manifest");
    let manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    ["cases", "searched"].iter().flat_map(|list| manifest[list].as_array().expect("a list").clone()).collect()
}

pub fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{field} of {case}"))
}

/// A case: its scenario, the user's gradients and the comparison.
pub struct Compared {
    pub document: Document,
    pub user: UserGradients,
    pub report: Report,
}

impl Compared {
    pub fn of(case: &Value) -> Self {
        let document = document(&folder().join(text(case, "scenario")).to_string_lossy());
        let mine = text(case, "mine");
        let bytes = fs::read(folder().join(mine)).expect("the gradients");
        let name = text(case, "name");
        let tensors = read(mine, bytes, None).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let user = UserGradients::new(&document.trace, tensors, UserTolerance::default()).unwrap_or_else(|why| panic!("{name}: {why}"));
        let report = Report::new(&document.trace, &user.tensors, user.tolerance);
        Self { document, user, report }
    }

    /// The names of the tensors that are not equal, in the order of the trace. Tensors that differ only in their sample have one name: `fc1.z` for `1:fc1.z`
    /// and `2:fc1.z`.
    fn wrong(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for compared in self.report.tensors.iter().filter(|compared| compared.status != Status::Equal) {
            let name = compared.gradient.name(&self.document.trace);
            let name = without_sample(&name);
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }
}

fn without_sample(name: &str) -> String {
    name.split_once(':').map_or(name, |(_, name)| name).to_owned()
}

#[test]
fn the_first_wrong_tensor_and_all_others_are_found() {
    let cases = cases();
    assert!(cases.len() > 200);
    for case in &cases {
        let (name, compared) = (text(case, "name"), Compared::of(case));
        let mut found = compared.wrong();
        assert_eq!(found.first().map(String::as_str), Some(&*without_sample(text(case, "first"))), "{name}: the first wrong tensor");
        let mut planted: Vec<String> =
            case["wrong"].as_array().expect("a list").iter().filter_map(Value::as_str).map(without_sample).collect();
        found.sort();
        planted.sort();
        planted.dedup();
        assert_eq!(found, planted, "{name}: all wrong tensors");
    }
}

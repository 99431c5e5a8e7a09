//! An `[[expect]]` table in a scenario with a graph can give a whole tensor or one entry.

use gradstep::scenario::{Limits, Source, read};

/// Returns the error messages of a graph with this expectation; `None` if it is valid.
fn messages(expect: &str) -> Option<String> {
    let text =
        format!("title = \"t\"\n[graph]\ninputs = {{ x = [[1, 2], [3, 4]] }}\nnodes = \"J = (x * x).sum()\"\n[[expect]]\n{expect}\n");
    let source = Source { path_shown: "t.toml".into(), name: "t".into(), text };
    read(source, Limits::default()).err().map(|faults| faults.to_string())
}

#[test]
fn an_expectation_has_the_shape_of_its_tensor() {
    assert_eq!(messages("at = \"grad.x\"\nvalue = [[2, 4], [6, 8]]"), None);
    assert_eq!(messages("at = \"grad.x[1,0]\"\nvalue = 6"), None);
    assert_eq!(messages("at = \"J\"\nvalue = 30"), None);
    // J.1 is x * x
    assert_eq!(messages("at = \"J.1\"\nvalue = [[1, 4], [9, 16]]"), None);
    let message = messages("at = \"grad.x\"\nvalue = 6").unwrap();
    assert!(message.contains("the value of grad.x is 2x2, not a single number"), "{message}");
    let message = messages("at = \"J\"\nvalue = [30, 1]").unwrap();
    assert!(message.contains("the value of J is a single number"), "{message}");
}

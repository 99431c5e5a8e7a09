//! A number in a graph's statements can be edited if it is only a value. If a shape or a loop depends on it, the edit is refused, with the line of the number.

use gradstep::app::Document;
use gradstep::scenario::write_back;

use crate::documents::scenario;
use crate::{bits, document, enter, message, open};

/// In this graph, each constant is a value: an operand of operations. `x@0` is the input x, whose name the fourth statement assigns again.
const VALUES: &str = r#"title = "values"
[graph]
constants = { eps = 0.01, n = 4, G = [[1, 2], [0.5, -1]], scale = [2, 0.5] }
nodes = '''
diff = x - x.mean(0)
var = (diff**2).sum(0) / n
xhat = diff * (var + eps)**-0.5
x = xhat * scale
J = (x * G).sum() / n
'''
[graph.inputs]
x = [[1, 2], [3, 5]]
"#;

/// In this graph, the structure depends on each constant, for example as a size, an axis, an index, a class or a number of iterations.
const STRUCTURE: &str = r#"title = "structure"
[graph]
nodes = '''
a = x.reshape(rows, 2).sum(axis)
for t in range(turns):
    a = a * half
b = a[place] + C[ix].sum() + F.layer_norm(a, (2,), eps=eps).sum()
for step in steps:
    b = b + step * a.sum()
m = half + 1
c = b * (n - 1) + F.cross_entropy(x, y) + torch.where(keep, a, 0).sum() + m + sum([fee, b])
J = c * half / n
'''
[graph.inputs]
x = [[1, 2], [3, 5]]
C = [1, 2, 3]
ix = [2, 0]
[graph.constants]
rows = 2
axis = 0
turns = 2
place = 1
eps = 0.5
steps = [1, 2]
n = 4
y = [0, 1]
keep = [true, false]
half = 0.5
fee = 3
"#;

#[test]
fn numbers_that_are_only_values_are_edited() {
    for (name, value) in [("eps", "0.5"), ("n", "3"), ("G[1,0]", "-2"), ("x@0[1,1]", "7"), ("scale[0]", "4")] {
        let mut driver = open(VALUES);
        let before = bits(document(&driver));
        enter(&mut driver, &format!("set {name} {value}"));
        let edited = std::sync::Arc::clone(document(&driver));
        assert!(bits(&edited) != before, "{name}: {}", message(&driver));
        let written = write_back(&edited.scenario, "t", &|_| false).unwrap();
        assert!(written.text != VALUES && written.files.is_empty(), "{name}");
        assert!(bits(&Document::new(scenario(&written.text))) == bits(&edited), "{name}:\n{}", written.text);
    }
}

#[test]
fn numbers_that_the_structure_depends_on_are_refused_with_the_line() {
    // the line is that of the file
    assert!(STRUCTURE.lines().nth(3).is_some_and(|line| line.contains("x.reshape(rows, 2)")));
    let refused = [
        ("rows", "line 4 uses rows as a size"),
        ("axis", "line 4 uses axis as an axis"),
        ("turns", "line 5 uses turns as "),
        ("place", "line 7 uses place as an index"),
        ("ix[0]", "line 7 uses ix as an index"),
        ("eps", "line 7 uses eps as a number of the text"),
        ("steps[0]", "line 8 uses steps as the numbers of a loop"),
        ("half", "line 10 uses half as a part of another number"),
        ("m", "m is a number that the text makes"),
        ("n", "line 11 uses n as a part of another number"),
        ("y[1]", "line 11 uses y as a class"),
        ("keep[0]", "keep is a mask of true and false"),
        ("fee", "line 11 uses fee as an item of a list"),
    ];
    for (name, why) in refused {
        let mut driver = open(STRUCTURE);
        let before = bits(document(&driver));
        enter(&mut driver, &format!("set {name} 1 + 1"));
        assert!(message(&driver).starts_with(why), "{name}: {}", message(&driver));
        assert!(message(&driver).ends_with("change it in the file, which is then read again"), "{}", message(&driver));
        assert!(bits(document(&driver)) == before, "{name}");
    }
}

/// The names of constants in lists and in loops look like those of given tensors, but the file has no place for a new value.
#[test]
fn constants_that_the_text_makes_in_lists_and_loops_are_refused() {
    let text = "title = \"t\"\n[graph]\nnodes = '''\nhs = []\nhs.append(torch.ones(3))\nfor c in [torch.ones(3), x]:\n    hs.append(c * 2)\n\
                J = (hs[0] * x + hs[1] + hs[2]).sum()\n'''\n[graph.inputs]\nx = [1, 2, 4]\n";
    for name in ["hs.1", "c.1"] {
        let mut driver = open(text);
        let before = bits(document(&driver));
        enter(&mut driver, &format!("set {name}[0] 5"));
        assert!(message(&driver).starts_with(&format!("{name} is a number that the text makes")), "{}", message(&driver));
        assert!(bits(document(&driver)) == before, "{name}");
    }
}

//! A text that would need unlimited work or memory is refused with one or two short messages, before much memory is allocated.

use std::collections::HashSet;
use std::sync::Arc;

use gradstep::scenario::{Limits, Source, read};

/// Returns the error messages of a graph with these statements, the input x = [1, 2] and the constant y = [0, 1]; empty if it is valid.
fn faults(nodes: &str) -> String {
    let text = format!(
        "title = \"t\"\n[graph]\nnodes = '''\n{nodes}\nJ = x.sum()\n'''\n[graph.inputs]\nx = [1, 2]\n[graph.constants]\ny = [0, 1]\n"
    );
    let source = Source { name: "t".into(), path_shown: "t.toml".into(), text };
    // with a limit of 64 MiB, large tensors are refused
    read(source, Limits { memory: 64 << 20 }).map_or_else(|faults| faults.to_string(), |_| String::new())
}

#[test]
fn work_and_memory_are_bounded() {
    let deep = 100_000;
    for nodes in [
        format!("u = {}x{}", "(".repeat(deep), ")".repeat(deep)),
        format!("u = {}x", "-".repeat(deep)),
        format!("u = x{}", ".T".repeat(deep)),
        format!("u = {}x", "x + ".repeat(500_000)),
        format!("u = {}", vec!["x"; deep].join("**")),
        "for i in range(10**9):\n    u = x * 2".to_owned(),
        "for i in range(1000):\n    for j in range(1000):\n        for k in range(1000):\n            u = x * 2".to_owned(),
        "u = torch.ones(10**6, 10**6) @ torch.ones(10**6, 10**6)".to_owned(),
        "u = torch.ones(10**5, 1) @ torch.ones(1, 10**5)".to_owned(),
        "u = torch.outer(torch.ones(10**5), torch.ones(10**5))".to_owned(),
        "u = torch.ones(10**5)[:, None] * torch.ones(10**5)[None]".to_owned(),
        "u = x[10**18]".to_owned(),
        "n = 10**10**10\nu = x * n".to_owned(),
        "u = torch.zeros(10**12)".to_owned(),
        "u = torch.arange(10**12)".to_owned(),
        "u = np.arange(0, 1, 1e-12)".to_owned(),
        "u = torch.eye(10**7)".to_owned(),
        "u = x.repeat(10**9)".to_owned(),
        "u = np.repeat(x, 10**9)".to_owned(),
        "u = x.expand(10**9, 2)".to_owned(),
        "u = F.pad(x, (10**9, 10**9))".to_owned(),
        "u = F.one_hot(y, 10**12)".to_owned(),
        "u = x[torch.zeros(10**9)]".to_owned(),
        "u = x[range(10**12)]".to_owned(),
        "u = torch.stack([x] * 10**9)".to_owned(),
        "hs = list(range(10**12))".to_owned(),
        "u = sum(range(10**9))".to_owned(),
        "u = max(range(10**9))".to_owned(),
        "a, b = range(10**9)".to_owned(),
        "u = range(10**9)[3]".to_owned(),
        "u = torch.tensor(range(10**9))".to_owned(),
        "u = torch.stack(range(10**9))".to_owned(),
        "u = x * sum([len(range(10**9))])".to_owned(),
        "hs = []\nhs.extend(range(10**9))".to_owned(),
        "u = torch.tensor(list(range(10**7)))".to_owned(),
        "u = torch.einsum('i,j,k,l,m->ijklm', torch.ones(100), torch.ones(100), torch.ones(100), torch.ones(100), torch.ones(100))"
            .to_owned(),
        "u = F.conv2d(torch.ones(1, 9, 9), torch.ones(10**6, 1, 3, 3), padding=10**4)".to_owned(),
        "u = torch.tril(torch.ones(10**5, 10**5))".to_owned(),
        "u = torch.full((10**6, 10**6), 3)".to_owned(),
        "u = x * (2**62) ** 3".to_owned(),
    ] {
        let message = faults(&nodes);
        let shown: String = nodes.chars().take(80).collect();
        assert!(message.contains("error: "), "{shown} is not refused");
        assert!(message.len() < 2000 && message.matches("error: ").count() <= 2, "{shown}:\n{message}");
    }
}

/// A statement and its first operation count as one. The last statement of a graph with 100,000 operations is read like the others, and one operation more is
/// an error: no statement is left out in silence.
#[test]
fn no_statement_at_the_limit_of_operations_is_left_out() {
    const LIMIT: usize = 100_000;
    let errors = |statements: String| {
        let text = format!("title = \"t\"\n[graph]\ninputs = {{ a = 0.5, b = 0.25 }}\nnodes = '''\n{statements}'''\n");
        let source = Source { name: "t".into(), path_shown: "t.toml".into(), text };
        read(source, Limits::default()).map_or_else(|faults| faults.to_string(), |_| String::new())
    };
    // a chain of `count` statements; the last one names something that is not defined
    let chain = |count: usize| format!("n = a * b\n{}J = n * missing\n", "n = n + b\n".repeat(count - 2));
    assert!(errors(chain(LIMIT)).contains("missing"), "the last statement is left out");
    assert!(errors(chain(LIMIT + 1)).contains("more than 100000 statements and operations"));
    // 50,000 statements with an operation each, and a sum of 49,999 operations
    let names: Vec<String> = (0..50_000).map(|n| format!("n{n}")).collect();
    let fan = |last: &str| format!("{} = a * b\nJ = {}{last}\n", names.join(" = a * b\n"), names.join(" + "));
    assert_eq!(errors(fan("")), "");
    assert!(errors(fan(" + a + a")).contains("more than 100000 statements and operations"));
}

#[test]
fn nodes_with_the_same_operation_share_its_rules() {
    let nodes: Vec<String> = (1..1000).map(|n| format!("\"n{n} = n{} {} b\"", n - 1, if n % 2 == 0 { '*' } else { '+' })).collect();
    let text = format!("title = \"chain\"\n[graph]\ninputs = {{ n0 = 0.5, b = 0.25 }}\nnodes = [{}]\n", nodes.join(", "));
    let source = Source { name: "t".into(), path_shown: "t.toml".into(), text };
    let scenario = read(source, Limits::default()).expect("a valid graph");
    let parts = scenario.network.ops().iter().flat_map(|op| &op.parts);
    let addresses: HashSet<*const ()> = parts.map(|part| Arc::as_ptr(&part.rule).cast()).collect();
    // a + b and a · b, each with its two derivatives; and ∂J/∂J = 1
    assert_eq!(addresses.len(), 7);
}

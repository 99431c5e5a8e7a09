//! A text that would need unlimited work or memory is refused with one or two short messages, before much memory is allocated.

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

//! Tests that the process uses at most `--memory-limit` plus a constant. Only on Linux, which reports the peak size of a process.
#![cfg(target_os = "linux")]

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// The memory that a process may use in addition to the limit, in KiB.
const ALLOWANCE: u64 = 64 << 10;

/// A scenario with a linear layer of n x n weights that learns.
fn square(n: usize) -> String {
    format!(
        r#"title = "square"
loss = "squared_error"
target = {{ init = "zeros" }}
input = {{ init = "normal", seed = 1, shape = [{n}] }}
[[layer]]
type = "linear"
out_features = {n}
weight = {{ init = "he_normal", seed = 3 }}
bias = {{ init = "zeros" }}
[train]
learning_rate = 0.0000001
iterations = 40
"#
    )
}

/// A process that has ended.
struct Ended {
    /// The peak resident size, in KiB.
    peak_kib: u64,
    status: Option<i32>,
    out: String,
    error: String,
}

/// Runs the binary. Returns its output and its peak resident size.
fn run(folder: &Path, arguments: &[&str]) -> Ended {
    // the size cannot be read after the process has ended, so it is polled
    let mut child = Command::new(env!("CARGO_BIN_EXE_gradstep"))
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let status_file = format!("/proc/{}/status", child.id());
    let (mut out, mut error) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        out.read_to_string(&mut text).map(|_| text)
    });
    let mut peak_kib = 0;
    let status = loop {
        let size_lines = fs::read_to_string(&status_file).unwrap_or_default();
        let size = size_lines.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak_kib = peak_kib.max(size.unwrap_or(0));
        if let Some(status) = child.try_wait().expect("a child") {
            break status;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    };
    let mut stderr = String::new();
    error.read_to_string(&mut stderr).expect("text");
    Ended { peak_kib, status: status.code(), out: reader.join().expect("no panic").expect("text"), error: stderr }
}

/// Returns a folder with the file `square.toml`.
fn folder_with_square(n: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("square.toml"), square(n)).expect("a file");
    folder
}

#[test]
fn every_command_stays_near_the_limit() {
    // 15 MiB of weights: 40 checkpoints would take 600 MiB
    let folder = folder_with_square(1400);
    for limit in [96_u64, 128] {
        let text = format!("{limit}MiB");
        for arguments in [
            &["show", "square.toml", "--at", "40/loss"][..],
            // k six times: the unit of a move is an iteration
            &["show", "square.toml", "--keys", "kkkkkk30l"],
            &["show", "square.toml", "--keys", ":40/last<Enter>:3/first<Enter>"],
            &["train", "square.toml", "--format", "json", "-o", "out.json"],
            &["grads", "square.toml", "--iteration", "20", "--format", "npz", "-o", "out.npz"],
        ] {
            let Ended { peak_kib, status, error, .. } = run(folder.path(), &[arguments, &["--memory-limit", &text]].concat());
            assert_eq!(status, Some(0), "{arguments:?}: {error}");
            assert!(peak_kib > 10 << 10, "{peak_kib} KiB are no size of a process");
            assert!(peak_kib < (limit << 10) + ALLOWANCE, "{arguments:?} took {peak_kib} KiB with a limit of {limit} MiB");
        }
    }
}

#[test]
fn an_update_that_does_not_fit_is_refused_when_it_is_reached() {
    // the weights and their gradient take 15.3 MiB each: there is no room for the updated weights
    let folder = folder_with_square(1415);
    let limited = |arguments: &[&str]| run(folder.path(), &[arguments, &["--memory-limit", "36MiB"]].concat());
    for arguments in [&["show", "square.toml"][..], &["show", "square.toml", "--at", "last"], &["grads", "square.toml", "-o", "out"]] {
        let Ended { status, error, .. } = limited(arguments);
        assert_eq!(status, Some(0), "{arguments:?}: {error}");
    }
    for keys in ["Gl", ":update:fc1.weight<Enter>", ":2/first<Enter>", "kkkkkkl"] {
        let Ended { status, out, error, .. } = limited(&["show", "square.toml", "--size", "200x60", "--keys", keys]);
        assert_eq!(status, Some(0), "{keys}: {error}");
        assert!(out.contains("MiB of 36.0 MiB are left; raise the limit with --memory-limit "), "{keys}\n{out}");
    }
    for arguments in
        [&["trace", "square.toml"][..], &["show", "square.toml", "--at", "2/first"], &["grads", "square.toml", "--iteration", "2"]]
    {
        let Ended { status, error, .. } = limited(arguments);
        assert_eq!(status, Some(2), "{arguments:?}: {error}");
        assert!(error.contains("--memory-limit 64MiB"), "{error}");
    }
    // `train` writes the new weights in the place of the old ones
    let Ended { status, error, .. } = limited(&["train", "square.toml", "-o", "out"]);
    assert_eq!(status, Some(0), "{error}");
}

#[test]
fn the_memory_of_each_sample_of_a_batch_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let samples = "[[sample]]\ninput = [2, 1]\ntarget = { init = \"zeros\" }\n".repeat(200);
    let text = format!(
        "title = \"many\"\nloss = \"squared_error\"\n[[layer]]\ntype = \"linear\"\nout_features = 50000\nweight = {{ init = \"he_normal\", seed = 3 }}\nbias = {{ init = \"zeros\" }}\n{samples}"
    );
    fs::write(folder.path().join("many.toml"), &text).expect("a file");
    // each sample has at least the gradient of the 100,000 weights, z and ∂C/∂z: 200,000 numbers or 1.6 MB, so 200 samples have 320 MB
    let Ended { status, error, peak_kib, .. } = run(folder.path(), &["show", "many.toml", "--memory-limit", "256MiB"]);
    assert_eq!(status, Some(1), "{error}");
    assert!(error.contains("200 samples") && error.contains("--memory-limit"), "{error}");
    assert!(peak_kib < (256 << 10) + ALLOWANCE, "{peak_kib} KiB");
}

/// For many small samples, the reserved memory is not much larger than the used memory. Otherwise a batch that fits would be refused.
#[test]
fn small_samples_use_most_of_their_reserved_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut samples = String::new();
    for n in 0..20_000 {
        let _ = write!(samples, "[[sample]]\ninput = [{}, {}]\ntarget = 1\n", n % 7, n % 3);
    }
    let layer = "[[layer]]\ntype = \"linear\"\nweight = [[0.1, 0.2]]\nbias = [0.1]\nactivation = \"tanh\"\n";
    fs::write(folder.path().join("many.toml"), format!("title = \"many\"\nloss = \"squared_error\"\n{samples}{layer}")).expect("a file");
    let limited = |limit: u64| run(folder.path(), &["show", "many.toml", "--at", "last", "--memory-limit", &format!("{limit}MiB")]);
    let refused = limited(48);
    assert_eq!(refused.status, Some(1), "{}", refused.error);
    assert!(refused.error.contains("20000 samples") && refused.error.contains("--memory-limit"), "{}", refused.error);
    // the process uses more than half of the limit: half of `limit` MiB is `limit << 9` KiB
    let limit = 64;
    let Ended { status, error, peak_kib, .. } = limited(limit);
    assert_eq!(status, Some(0), "{error}");
    assert!(peak_kib < (limit << 10) + ALLOWANCE && peak_kib > limit << 9, "{peak_kib} KiB of {limit} MiB");
}

/// Even with the default limit of 1 GiB, the text of a graph takes little memory before it is refused.
#[test]
fn texts_of_graphs_that_ask_for_too_much_take_little_memory() {
    const MOST_KIB: u64 = 100 << 10;
    let folder = tempfile::tempdir().expect("a folder");
    let deep = 100_000;
    let texts = [
        format!("u = {}x{}", "(".repeat(deep), ")".repeat(deep)),
        "for i in range(10**9):\n    u = x * 2".to_owned(),
        "u = torch.ones(10**6, 10**6) @ torch.ones(10**6, 10**6)".to_owned(),
        "u = torch.ones(10**6, 1) * torch.ones(1, 10**6)".to_owned(),
        "u = x[10**18]".to_owned(),
        "u = x.repeat(10**9)".to_owned(),
        "hs = list(range(10**12))".to_owned(),
        "n = 10**10**10\nu = x * n".to_owned(),
    ];
    for nodes in texts {
        let text = format!("title = \"t\"\n[graph]\nnodes = '''\n{nodes}\nJ = x.sum()\n'''\n[graph.inputs]\nx = [1, 2]\n");
        fs::write(folder.path().join("t.toml"), text).expect("the scenario");
        let ended = run(folder.path(), &["check", "t.toml"]);
        let shown: String = nodes.chars().take(60).collect();
        assert_eq!(ended.status, Some(1), "{shown}:\n{}", ended.error);
        assert!(ended.error.contains("error: ") || ended.out.contains("error: "), "{shown}: {} {}", ended.out, ended.error);
        assert!(ended.peak_kib < MOST_KIB, "{shown} took {} KiB", ended.peak_kib);
    }
}

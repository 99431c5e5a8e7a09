//! One scenario gives the same bytes in every run, in every build and on every machine.

use std::process::Command;

/// What the program prints.
fn printed(arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    let output = command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn every_run_prints_the_same_bytes() {
    for scenario in ["figure-19", "mazur-2-2-2", "tests/valid/every-layer.toml", "tests/valid/every-init.toml", "tests/oracle/net-010.toml"]
    {
        for command in [&["grads", "--format", "json"][..], &["grads", "--format", "npz"], &["trace"], &["gradcheck", "--format", "json"]] {
            let arguments: Vec<&str> = command.iter().copied().chain([scenario]).collect();
            let first = printed(&arguments);
            assert!(first.len() > 100, "{arguments:?}");
            assert_eq!(first, printed(&arguments), "{arguments:?}");
        }
    }
    // momentum, weight decay, several samples
    for scenario in ["tests/oracle/net-010.toml", "tests/oracle/net-012.toml", "tests/oracle/net-033.toml"] {
        let arguments = ["train", "--format", "json", scenario];
        assert_eq!(printed(&arguments), printed(&arguments), "{scenario}");
    }
}

/// These files are a snapshot of what one build printed, no proof that it is right (that is the oracle's): a debug and a release build, on any processor,
/// print the same bytes. They call every elementary function there is.
#[test]
fn every_build_prints_the_same_bytes() {
    for (name, arguments) in [
        ("grads-all-activations", ["grads", "tests/oracle/made-all-activations.toml"]),
        ("grads-graph-functions", ["grads", "tests/oracle/made-graph-functions.toml"]),
        ("train-momentum", ["train", "tests/oracle/net-012.toml"]),
        ("gradcheck-samples", ["gradcheck", "tests/oracle/net-012.toml"]),
    ] {
        let text = String::from_utf8(printed(&[arguments[0], "--format", "json", arguments[1]])).expect("UTF-8");
        insta::assert_snapshot!(name, text);
    }
}

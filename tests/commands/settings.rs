//! `gradstep settings` prints a file that gradstep itself reads as settings.

use std::fs;
use std::process::Command;

use tempfile::tempdir;

#[test]
fn the_printed_settings_are_a_settings_file() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("gradstep/settings.toml");
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
        let output = command.arg("settings").env("LC_ALL", "C.UTF-8").env("XDG_CONFIG_HOME", folder.path()).output().unwrap();
        assert!(output.status.success());
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (printed, faults) = run();
    assert_eq!(faults, "");
    assert!(printed.contains(&format!("# {}\n", file.display())), "{printed}");
    fs::create_dir(folder.path().join("gradstep")).unwrap();
    fs::write(&file, &printed).unwrap();
    assert_eq!(run(), (printed.clone(), String::new()), "all keys are known");
    // each setting is below its comment
    let lines: Vec<&str> = printed.lines().collect();
    for (n, _) in lines.iter().enumerate().filter(|(_, line)| line.contains(" = ") && !line.starts_with('#')) {
        assert!(lines[n - 1].starts_with("# "), "{}", lines[n]);
    }
    fs::write(&file, "index = 7\n").unwrap();
    let (_, faults) = run();
    assert!(faults.ends_with("settings.toml, line 1, column 9: index is 0 or 1\n"), "{faults}");
}

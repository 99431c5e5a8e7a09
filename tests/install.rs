//! Tests of an installed program: its shell completions, its manual page, the files of the Debian package, and the format of the binary.

use std::fs;
use std::io::Write as _;
use std::process::{Command, Stdio};

/// The output of gradstep with these arguments.
fn printed(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
    let output = command.args(arguments).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8").output().expect("the binary runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The names of the commands in the help.
fn commands() -> Vec<String> {
    let help = printed(&["--help"]);
    let (_, list) = help.split_once("Commands:\n").expect("a list");
    // the further lines of a description are indented by more than two spaces
    let rows = list.lines().take_while(|line| !line.is_empty()).filter(|line| !line.starts_with("   "));
    let names = rows.filter_map(|line| line.split_whitespace().next());
    let names: Vec<String> = names.map(str::to_owned).filter(|name| name != "help").collect();
    assert!(names.len() > 8 && names.iter().any(|name| name == "trace"), "{names:?}");
    names
}

/// The long options in the help of a command.
fn options(command: &str) -> Vec<String> {
    let help = printed(&[command, "--help"]);
    // the name in a line such as `-f, --format FORMAT` or `--level LEVEL`
    let option_in = |line: &str| {
        let line = line.trim_start();
        let option =
            line.strip_prefix("--").or_else(|| line.split_once(", --").filter(|(short, _)| short.len() == 2).map(|(_, long)| long))?;
        Some(format!("--{}", option.split(' ').next()?))
    };
    help.lines().filter_map(option_in).collect()
}

/// `true` if a program is installed.
fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}

#[test]
fn the_completions_of_every_shell_have_all_commands() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = printed(&["completions", shell]);
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
            for option in options(&command) {
                // fish has the names without their hyphens
                let option = option.trim_start_matches('-');
                assert!(script.contains(option), "{shell}: {command} --{option}");
            }
        }
    }
}

#[test]
fn bash_can_read_its_script() {
    if !is_installed("bash") {
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("gradstep");
    fs::write(&script, printed(&["completions", "bash"])).expect("a file");
    let bash = |line: &str| {
        let output = Command::new("bash").args(["--norc", "-c", line]).arg(&script).output().expect("bash runs");
        assert!(output.status.success(), "{line}: {output:?}");
        assert!(output.stderr.is_empty(), "{line}: {output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    // `$0` is the path of the script, and `-n` checks its syntax
    bash("bash -n \"$0\"");
    // the completions of bash for the last word
    let offered = |words: &str| {
        let line = format!(
            "source \"$0\"; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
            _gradstep gradstep \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\"; echo \"${{COMPREPLY[@]}}\""
        );
        bash(&line)
    };
    assert_eq!(offered("gradstep tr"), "trace train\n");
    assert_eq!(offered("gradstep op"), "\n", "no command `open`: a scenario is opened without a command");
    assert_eq!(offered("gradstep figure-14 --re"), "--record\n");
    assert_eq!(offered("gradstep trace --format m"), "markdown\n");
    assert_eq!(offered("gradstep completions f"), "fish\n");
}

#[test]
fn the_manual_page_has_every_command_and_option() {
    let page = printed(&["man"]);
    let version = env!("CARGO_PKG_VERSION");
    assert!(page.lines().any(|line| line.starts_with(".TH gradstep 1 ") && line.contains(&format!("gradstep {version}"))), "{page}");
    // roff writes a hyphen as \-
    let plain = page.replace("\\-", "-");
    let sections: Vec<&str> = plain.lines().filter_map(|line| line.strip_prefix(".SH ")).collect();
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS"] {
        assert_eq!(sections.iter().filter(|name| **name == section).count(), 1, "{section} of {sections:?}");
    }
    assert!(plain.contains("figure-14"), "{plain}");
    for command in commands() {
        let (_, section) = plain.split_once(&format!("\n.SS \"gradstep {command}\"\n")).unwrap_or_else(|| panic!("{command}: {plain}"));
        let section = section.split("\n.S").next().expect("a section");
        for option in options(&command) {
            // options of every command are described once, outside of the command's section
            let everywhere =
                ["--color", "--ascii", "--background", "--no-mouse", "--memory-limit", "--threads", "--digits", "--palette", "--help"];
            let place = if everywhere.contains(&option.as_str()) { &plain } else { section };
            // a change of the font (\f) ends the name of an option
            assert!(place.contains(&format!("{option}\\f")), "{command} {option}: {section}");
        }
    }
}

/// Checks that `man` shows the commands without a warning.
#[test]
fn the_manual_page_is_readable() {
    if !is_installed("man") {
        return;
    }
    let mut man = Command::new("man");
    man.args(["--warnings", "--local-file", "-"]).env("LC_ALL", "C.UTF-8").env("MANPAGER", "cat").env("MANWIDTH", "100");
    let mut man = man.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("man runs");
    man.stdin.take().expect("a pipe").write_all(printed(&["man"]).as_bytes()).expect("man reads");
    let output = man.wait_with_output().expect("an end");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    if text.is_empty() {
        // a system without groff
        return;
    }
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    for command in commands() {
        assert!(text.contains(&format!("gradstep {command}")), "{text}");
    }
}

/// Checks that each file of the Debian package exists, or that `.ci/package` makes it.
#[test]
fn the_debian_package_has_files_that_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let manifest: toml_edit::DocumentMut = text("Cargo.toml").parse().expect("TOML");
    let package = &manifest["package"];
    // without a repository, `{ repo }` has no value, so binstall finds no archive and builds the program
    assert!(
        package.get("repository").is_some()
            || package["metadata"]["binstall"]["pkg-url"].as_str().is_some_and(|url| url.starts_with("{ repo }/"))
    );
    let deb = &package["metadata"]["deb"];
    let script = text(".ci/package");
    // the script names a file such as `target/package/gradstep.1` as `/$name.1"`
    let is_made = |path: &str| {
        let name = path.strip_prefix("target/package/")?;
        Some(script.contains(&format!("/{}\"", name.replace("gradstep", "$name"))))
    };
    // a row of the assets is [source, destination, mode]
    let column = |number: usize| {
        let assets = deb["assets"].as_array().expect("a list").iter();
        assets.map(move |asset| asset.as_array().and_then(|asset| asset.get(number)?.as_str()).expect("a text")).collect::<Vec<&str>>()
    };
    let mut paths = column(0);
    paths.extend([deb["changelog"].as_str().expect("a path"), deb["license-file"][0].as_str().expect("a path")]);
    assert!(paths.len() > 8, "{paths:?}");
    for path in paths {
        let exists = root.join(path.trim_end_matches('*')).exists();
        assert!(exists || path == "target/release/gradstep" || is_made(path) == Some(true), "{path}");
    }
    // the shells find completions by these names
    for place in ["bash-completion/completions/gradstep", "zsh/vendor-completions/", "fish/vendor_completions.d/", "man/man1/"] {
        assert!(column(1).contains(&format!("usr/share/{place}").as_str()), "{place}");
    }
    // in Debian's format, each line of the licence begins with a space, and an empty line is a dot
    let licence = text("LICENSE-MIT");
    let copyright = text(".ci/deb/copyright").replace("\n .\n", "\n\n").replace("\n ", "\n");
    let (_, permission) = licence.split_once("\n\nPermission").expect("a licence");
    assert!(copyright.contains(permission.trim()), "{copyright}");
}

/// A program with a fixed address needs no relocation: the linker has written the addresses into its tables (`build.rs`). `libm.so` is the system's library of
/// elementary functions; the crate `libm` takes its place.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn little_is_done_before_the_program_starts() {
    let program = fs::read(env!("CARGO_BIN_EXE_gradstep")).expect("the binary");
    // the type of an ELF file: 2 for a program with a fixed address, 3 for one that can be loaded at any address
    assert_eq!(u16::from_ne_bytes([program[16], program[17]]), 2, "the program has no fixed address");
    let needs_libm = program.windows(b"libm.so".len()).any(|bytes| bytes == b"libm.so");
    assert!(!needs_libm, "the program loads libm.so");
}

//! `-o FILE`: the file is written whole, or it is as it was.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::tempdir;

/// Runs a shell command line in a folder; `gradstep` in it is the real binary.
fn shell(folder: &Path, line: &str) -> Output {
    let line = line.replace("gradstep", env!("CARGO_BIN_EXE_gradstep"));
    let mut command = Command::new("sh");
    command.args(["-c", &line]).current_dir(folder).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
    command.output().expect("a shell")
}

#[track_caller]
fn done(folder: &Path, line: &str) -> String {
    let output = shell(folder, line);
    assert!(output.status.success(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn what_ends_half_way_leaves_the_old_file() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    fs::write(&out, "old").unwrap();
    // at so many bytes a signal ends the process; ignored, the write fails
    let killed = shell(folder.path(), "ulimit -f 4; exec gradstep trace figure-01 -o out");
    assert!(killed.status.signal().is_some(), "{killed:?}");
    assert_eq!((fs::read_to_string(&out).unwrap().as_str(), names(folder.path())), ("old", vec!["out".to_owned()]));
    let failed = shell(folder.path(), "trap '' XFSZ; ulimit -f 4; exec gradstep trace figure-01 -o out");
    assert_eq!(failed.status.code(), Some(2), "{failed:?}");
    assert_eq!((fs::read_to_string(&out).unwrap().as_str(), names(folder.path())), ("old", vec!["out".to_owned()]));
    shell(folder.path(), "ulimit -f 4; exec gradstep trace figure-01 -o new");
    assert_eq!(names(folder.path()), ["out"], "nor half of one that was not there");
}

#[test]
fn mode_and_link_stay() {
    let folder = tempdir().unwrap();
    let (out, link) = (folder.path().join("out"), folder.path().join("link"));
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let wanted = done(folder.path(), "umask 027; gradstep grads figure-14 -o out; gradstep grads figure-14");
    assert_eq!((fs::read_to_string(&out).unwrap(), mode(&out)), (wanted.clone(), 0o640));
    fs::write(&out, "old").unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o604)).unwrap();
    symlink("out", &link).unwrap();
    done(folder.path(), "gradstep grads figure-14 -o link");
    assert_eq!((fs::read_to_string(&out).unwrap(), mode(&out)), (wanted.clone(), 0o604));
    assert!(link.is_symlink());
    fs::remove_file(&out).unwrap();
    done(folder.path(), "gradstep grads figure-14 -o link");
    assert_eq!(fs::read_to_string(&out).unwrap(), wanted, "a link that led nowhere");
    assert_eq!(names(folder.path()), ["link", "out"]);
}

#[test]
fn what_is_no_file_is_written_as_it_is() {
    let folder = tempdir().unwrap();
    let wanted = done(folder.path(), "gradstep grads figure-14");
    assert_eq!(done(folder.path(), "gradstep grads figure-14 -o /dev/null"), "");
    assert!(!Path::new("/dev/null").is_file());
    assert_eq!(done(folder.path(), "gradstep grads figure-14 -o /dev/stdout"), wanted);
    assert_eq!(done(folder.path(), "gradstep grads figure-14 -o /dev/stdout > out; cat out"), wanted);
    assert_eq!(done(folder.path(), "mkfifo pipe; gradstep grads figure-14 -o pipe & cat pipe; wait"), wanted);
    assert_eq!(names(folder.path()), ["out", "pipe"]);
}

#[test]
fn what_may_not_be_written_is_refused() {
    let folder = tempdir().unwrap();
    let out = folder.path().join("out");
    fs::write(&out, "old").unwrap();
    fs::set_permissions(&out, fs::Permissions::from_mode(0o444)).unwrap();
    // root may write anything
    if fs::OpenOptions::new().write(true).open(&out).is_err() {
        assert_eq!(shell(folder.path(), "gradstep grads figure-14 -o out").status.code(), Some(2));
        assert_eq!(fs::read_to_string(&out).unwrap(), "old");
    }
    assert_eq!(shell(folder.path(), "gradstep grads figure-14 -o .").status.code(), Some(2));
    assert_eq!(names(folder.path()), ["out"]);
}

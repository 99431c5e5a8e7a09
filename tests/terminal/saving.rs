//! Edits in the real program: writing them keeps the comments of the file, and a crash loses no edit.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use tempfile::{TempDir, tempdir};

use super::pty::Run;

const TEXT: &str = "# my network\ntitle = \"mine\"  # a title\ninput = [1, 2]\ntarget = 1\nloss = \"squared_error\"\n\n[[layer]]\n\
                    type = \"linear\"\nweight = [[3, 4]]  # two weights\n";

/// A folder with a scenario, and the folder of the state.
struct Folder {
    folder: TempDir,
}

impl Folder {
    fn new() -> Self {
        let folder = tempdir().unwrap();
        fs::write(folder.path().join("net.toml"), TEXT).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path("net.toml")).unwrap()
    }

    fn environment(&self) -> [(&'static str, std::ffi::OsString); 4] {
        [
            ("TERM", "xterm-256color".into()),
            ("LC_ALL", "C.UTF-8".into()),
            ("XDG_STATE_HOME", self.path("state").into()),
            ("XDG_CONFIG_HOME", self.path("config").into()),
        ]
    }

    /// Opens the scenario in a pseudo-terminal, and waits for `text`.
    fn open(&self, text: &str) -> Run {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
        command.arg("net.toml").current_dir(self.folder.path()).envs(self.environment());
        let mut run = Run::start(command);
        run.wait_for(text);
        run
    }

    /// The number of files with unsaved edits.
    fn journals(&self) -> usize {
        fs::read_dir(self.path("state/gradstep/edits")).map_or(0, Iterator::count)
    }
}

const OPENED: &str = "step 1/";
/// The keys of an edit, and the text that the screen then shows.
const EDIT: &str = ":set fc1.weight[0,1] 0.5\r";
const EDITED: &str = "4 → 0.5";

#[test]
fn edits_are_written_with_comments_kept() {
    let folder = Folder::new();
    let mut run = folder.open(OPENED);
    run.press(EDIT);
    run.wait_for(EDITED);
    assert_eq!((folder.journals(), folder.text().as_str()), (1, TEXT));
    run.press("W");
    run.wait_for("written to net.toml");
    assert_eq!(folder.text(), TEXT.replace("[[3, 4]]", "[[3, 0.5]]"));
    assert_eq!(folder.journals(), 0);
    run.press("q");
    assert_eq!(run.end().code(), Some(0));
    run.assert_restored();
    let left: Vec<_> = fs::read_dir(folder.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the scenario and the state: {left:?}");
}

#[test]
fn a_crash_loses_no_edit() {
    let folder = Folder::new();
    for end in ["kill", "ctrl-c", "term"] {
        let mut run = folder.open(OPENED);
        run.press(EDIT);
        run.wait_for(EDITED);
        match end {
            "kill" => run.signal(Signal::KILL),
            "term" => run.signal(Signal::TERM),
            _ => run.press("\x03"),
        }
        run.end_unread();
        assert_eq!((folder.journals(), folder.text().as_str()), (1, TEXT), "{end}");
        // Esc keeps the edits for the next session
        let mut run = folder.open("unsaved edits of an earlier session");
        run.wait_for("fc1.weight[0,1] = 0.5");
        run.press("\x1b");
        run.wait_until("closed", |run| !run.screen().contents().contains("earlier session"));
        run.press("q");
        assert_eq!(run.end().code(), Some(0));
        assert_eq!(folder.journals(), 1, "{end}");
        let mut run = folder.open("unsaved edits of an earlier session");
        // t restores them
        run.press("t");
        run.wait_for("u undoes it");
        assert_eq!(folder.journals(), 1, "{end}: the new session has them");
        // after undo, there are no unsaved edits
        run.press("u");
        run.wait_for("undone");
        assert_eq!(folder.journals(), 0, "{end}");
        run.press("q");
        assert_eq!(run.end().code(), Some(0));
    }
    // discarded
    let mut run = folder.open(OPENED);
    run.press(EDIT);
    run.wait_for(EDITED);
    run.press("q");
    run.wait_for("there is an unsaved edit");
    run.press("d");
    assert_eq!(run.end().code(), Some(0));
    assert_eq!((folder.journals(), folder.text().as_str()), (0, TEXT));
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_edits() {
    let folder = Folder::new();
    let mut run = folder.open(OPENED);
    run.press(EDIT);
    run.wait_for(EDITED);
    // another program has changed the file
    let changed = TEXT.replace("mine", "another");
    fs::write(folder.path("net.toml"), &changed).unwrap();
    run.press("W");
    run.wait_for("has changed since it was read");
    assert_eq!((folder.text(), folder.journals()), (changed, 1));
    run.press(":w copy.toml\r");
    run.wait_for("written to copy.toml");
    assert_eq!(fs::read_to_string(folder.path("copy.toml")).unwrap(), TEXT.replace("[[3, 4]]", "[[3, 0.5]]"));
    // another file that exists is not overwritten
    fs::write(folder.path("third.toml"), "mine").unwrap();
    run.press(":set fc1.weight[0,1] 7\r");
    run.wait_for("0.5 → 7");
    run.press(":w third.toml\r");
    run.wait_for("third.toml exists already");
    assert_eq!(fs::read_to_string(folder.path("third.toml")).unwrap(), "mine");
    run.press(":w missing/net.toml\r");
    run.wait_for("cannot write missing/net.toml");
    // the copy is the scenario's file now; in a read-only folder, no other file can be made
    if make_read_only(folder.folder.path()) {
        run.press(":w new.toml\r");
        run.wait_for("cannot write new.toml");
        fs::set_permissions(folder.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    run.press(":wq\r");
    assert_eq!(run.end().code(), Some(0));
    assert_eq!(fs::read_to_string(folder.path("copy.toml")).unwrap(), TEXT.replace("[[3, 4]]", "[[3, 7]]"));
    assert_eq!(folder.journals(), 0);
}

/// The limit on the size of files makes every write fail, as a full disk does.
#[test]
fn a_full_disk_is_reported_and_loses_no_edit() {
    let folder = Folder::new();
    let mut command = Command::new("sh");
    let line = format!("trap '' XFSZ; ulimit -f 0; exec '{}' net.toml", env!("CARGO_BIN_EXE_gradstep"));
    command.args(["-c", &line]).current_dir(folder.folder.path()).envs(folder.environment());
    let mut run = Run::start(command);
    run.wait_for(OPENED);
    run.press(EDIT);
    run.wait_for("unsaved edits cannot be kept");
    run.press("W");
    run.wait_for("cannot write net.toml");
    assert_eq!(folder.text(), TEXT);
    // the edit is still there
    run.press("q");
    run.wait_for("there is an unsaved edit");
    run.press("d");
    assert_eq!(run.end().code(), Some(0));
    run.assert_restored();
    assert_eq!(folder.text(), TEXT);
    let left: Vec<_> = fs::read_dir(folder.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the scenario and the state: {left:?}");
}

/// Makes a folder read-only. Returns `false` for a user who may write everywhere, such as root.
fn make_read_only(folder: &Path) -> bool {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
    let may_write = fs::write(folder.join("probe"), "").is_ok();
    if may_write {
        fs::remove_file(folder.join("probe")).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    }
    !may_write
}

/// Replaces the scenario as an editor does: by a new file with the same name.
fn replace(folder: &Folder, text: &str) {
    fs::write(folder.path("other"), text).unwrap();
    fs::rename(folder.path("other"), folder.path("net.toml")).unwrap();
}

#[test]
fn a_file_that_another_program_changes_is_noticed_and_read_again() {
    let folder = Folder::new();
    let mut run = folder.open(OPENED);
    // the steps 1 and 2 compute z = 3 · 1 + 4 · 2
    run.press("ll");
    run.wait_for("step 3/");
    run.press(EDIT);
    run.wait_for(EDITED);
    run.press("\x1b");
    run.wait_for("nothing is open");
    let changed = TEXT.replace("[1, 2]", "[5, 2]").replace("mine", "another");
    replace(&folder, &changed);
    run.wait_for("file changed");
    run.wait_for("the file of net has changed: :e reads it again");
    // an incomplete file is not shown; the old scenario stays open
    fs::write(folder.path("net.toml"), &changed[..changed.len() - 20]).unwrap();
    run.press(":e\r");
    run.wait_for("not read again: net.toml is not valid, line 9, column");
    run.press("\x1b");
    run.wait_until("the message is gone", |run| !run.screen().contents().contains("not read again"));
    fs::write(folder.path("net.toml"), &changed).unwrap();
    run.press(":e\r");
    run.wait_for("the file is read again, with 1 edit");
    run.wait_until("the new title", |run| {
        let screen = run.screen().contents();
        screen.contains("another") && screen.contains("step 3/") && !screen.contains("file changed") && screen.contains("edited")
    });
    assert_eq!(folder.journals(), 1);
    run.press("W");
    run.wait_for("written to net.toml");
    assert_eq!((folder.text(), folder.journals()), (changed.replace("[[3, 4]]", "[[3, 0.5]]"), 0));
    // the program knows the file that it wrote, and does not report it as changed when it looks at the file, once a second
    std::thread::sleep(std::time::Duration::from_millis(2200));
    run.press("l");
    run.wait_for("step 4/");
    assert!(!run.screen().contents().contains("file changed"));
    run.press("q");
    assert_eq!(run.end().code(), Some(0));
    run.assert_restored();
}

#[test]
fn a_deleted_file_is_reported_and_can_be_written_again() {
    let folder = Folder::new();
    let mut run = folder.open(OPENED);
    run.press(EDIT);
    run.wait_for(EDITED);
    fs::remove_file(folder.path("net.toml")).unwrap();
    run.wait_for("file deleted");
    run.press(":e\r");
    run.wait_for("not read again: there is no file net.toml");
    run.press("W");
    run.wait_for("written to net.toml, which had been deleted");
    assert_eq!(folder.text(), TEXT.replace("[[3, 4]]", "[[3, 0.5]]"));
    // the message names an edit that does not fit the new file
    run.press(":set fc1.weight[0,1] 7\r");
    run.wait_for("0.5 → 7");
    replace(&folder, &TEXT.replace("[[3, 4]]", "[[3]]").replace("[1, 2]", "[1]"));
    run.press(":e\r");
    run.wait_for("the file is read again; an edit is lost, as it has no fc1.weight[0,1]");
    assert_eq!(folder.journals(), 0);
    run.press("q");
    assert_eq!(run.end().code(), Some(0));
    run.assert_restored();
}

#[test]
fn a_bundled_scenario_and_a_recording_are_not_reread() {
    let folder = Folder::new();
    for (arguments, said) in [
        (vec!["figure-14"], "this scenario has no file to reread"),
        (vec!["net.toml", "--record", "session"], "show, replay and recordings do not reread files"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gradstep"));
        command.args(arguments).current_dir(folder.folder.path()).envs(folder.environment());
        let mut run = Run::start(command);
        run.wait_for(OPENED);
        run.press(":e\r");
        run.wait_for(said);
        run.press("q");
        assert_eq!(run.end().code(), Some(0));
    }
}

/// Returns the names of the files with tensors, sorted.
fn tensor_files(folder: &Folder) -> Vec<String> {
    let names = fs::read_dir(folder.folder.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| Path::new(name).extension().is_some_and(|end| end == "npz")).collect();
    names.sort();
    names
}

#[test]
fn writing_again_leaves_one_file_for_each_tensor() {
    let folder = Folder::new();
    let text = TEXT.replace("[[3, 4]]", "{ init = \"normal\", seed = 1 }");
    fs::write(folder.path("net.toml"), text.replace("weight =", "out_features = 1\nweight =")).unwrap();
    let mut run = folder.open(OPENED);
    // the new file is written before the old one is removed, so the names alternate
    for (value, names) in [("5", vec!["net-fc1.weight.npz"]), ("6", vec!["net-fc1.weight-2.npz"]), ("7", vec!["net-fc1.weight.npz"])] {
        run.press(&format!(":set fc1.weight[0,1] {value}\r"));
        run.wait_for(&format!("→ {value}"));
        run.press("W");
        run.wait_for("written to net.toml, with net-fc1.weight");
        assert_eq!(tensor_files(&folder), names);
        assert!(folder.text().contains(&format!("file = \"{}\"", names[0])));
    }
    // net-fc1.weight.npz is not removed, because a copy of the scenario reads it
    fs::copy(folder.path("net.toml"), folder.path("copy.toml")).unwrap();
    run.press(":set fc1.weight[0,1] 8\r");
    run.wait_for("→ 8");
    run.press("W");
    run.wait_for("written to net.toml, with net-fc1.weight-2");
    assert_eq!(tensor_files(&folder), ["net-fc1.weight-2.npz", "net-fc1.weight.npz"]);
    // a hidden copy too, which no list shows
    fs::copy(folder.path("net.toml"), folder.path(".hidden.toml")).unwrap();
    run.press(":set fc1.weight[0,1] 9\r");
    run.wait_for("→ 9");
    run.press("W");
    run.wait_for("written to net.toml, with net-fc1.weight-3");
    assert_eq!(tensor_files(&folder), ["net-fc1.weight-2.npz", "net-fc1.weight-3.npz", "net-fc1.weight.npz"]);
    run.press(":e\r");
    run.wait_for("the file is read again");
    // in another folder, the scenario's file with tensors would be missing
    fs::create_dir(folder.path("other")).unwrap();
    run.press(":w other/net.toml\r");
    run.wait_for("net.toml reads tensors from files in its folder");
    run.press("q");
    assert_eq!(run.end().code(), Some(0));
    for name in ["net.toml", "copy.toml", ".hidden.toml"] {
        let mut check = Command::new(env!("CARGO_BIN_EXE_gradstep"));
        assert!(check.arg("check").arg(folder.path(name)).output().unwrap().status.success(), "{name}");
    }
}

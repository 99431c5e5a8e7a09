//! Runs a program in a pseudo-terminal for the tests: types keys, waits for a text on the screen, and reads the state of the terminal after the end of the
//! program.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, ExitStatus};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use pty_process::Size;
use pty_process::blocking::{Command as PtyCommand, Pts, Pty, open};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsFd as _;
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::tcgetattr;

/// A generous time limit, which only a failing test reaches.
const LIMIT: Duration = Duration::from_secs(20);

/// A lock, so that programs are started one at a time. Otherwise a second program could start after the first pseudo-terminal is opened and before it is marked
/// close-on-exec. The second program would inherit this pseudo-terminal, and closing it would not hang up the first program.
static STARTING: Mutex<()> = Mutex::new(());

/// A program in a pseudo-terminal.
pub struct Run {
    child: Child,
    master: Pty,
    slave: Pts,
    /// The line modes before the program started.
    modes_before: String,
    screen: vt100::Parser,
    /// Everything that the program wrote to the terminal.
    pub raw: Vec<u8>,
}

impl Run {
    /// Starts `command` as the leader of a session on a terminal of 80x24.
    pub fn start(command: Command) -> Self {
        Self::start_with(|slave| PtyCommand::from(command).spawn_borrowed(slave).unwrap())
    }

    /// Starts a child that `spawn` connects to the terminal.
    pub fn start_with(spawn: impl FnOnce(&Pts) -> Child) -> Self {
        let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
        let (master, slave) = open().unwrap();
        master.resize(Size::new(24, 80)).unwrap();
        let modes_before = line_modes(&slave);
        Self { child: spawn(&slave), master, slave, modes_before, screen: vt100::Parser::new(24, 80, 0), raw: Vec::new() }
    }

    pub fn screen(&self) -> &vt100::Screen {
        self.screen.screen()
    }

    pub fn press(&mut self, keys: &str) {
        self.press_bytes(keys.as_bytes());
    }

    pub fn press_bytes(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.master.resize(Size::new(rows, columns)).unwrap();
        self.screen.screen_mut().set_size(rows.max(1), columns.max(1));
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).unwrap();
    }

    /// Reads until `text` is on the screen.
    pub fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |run| run.screen().contents().contains(text));
    }

    /// Reads until `reached` returns `true`. If this takes too long, the test fails and says that it waited for `what`.
    pub fn wait_until(&mut self, what: &str, reached: impl Fn(&Self) -> bool) {
        let end = Instant::now() + LIMIT;
        while !reached(self) {
            self.read();
            let screen = self.screen().contents();
            assert!(Instant::now() < end, "waited for {what}, got:\n{screen}");
        }
    }

    /// Reads all output of the program until it has ended.
    pub fn end(&mut self) -> ExitStatus {
        let status = self.wait(|run| {
            run.read();
        });
        while self.read() {}
        status
    }

    /// Waits for the end of a program without reading its output.
    pub fn end_unread(&mut self) -> ExitStatus {
        self.wait(|_| std::thread::sleep(Duration::from_millis(5)))
    }

    fn wait(&mut self, mut meanwhile: impl FnMut(&mut Self)) -> ExitStatus {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "the program does not end");
            meanwhile(self);
        }
    }

    /// Closes the terminal and returns how the program ended.
    pub fn hang_up(mut self) -> ExitStatus {
        // a type with `Drop` keeps its fields, so another terminal takes the place of the closed one
        let (other_master, other_slave) = open().unwrap();
        drop(std::mem::replace(&mut self.master, other_master));
        drop(std::mem::replace(&mut self.slave, other_slave));
        self.end_unread()
    }

    /// Asserts that the terminal is as before: line modes, main screen, cursor, mouse, paste, colours.
    #[track_caller]
    pub fn assert_restored(&self) {
        assert_eq!(line_modes(&self.slave), self.modes_before, "line modes");
        let screen = self.screen();
        assert!(!screen.alternate_screen(), "main screen");
        assert!(!screen.hide_cursor(), "cursor shown");
        assert!(!screen.bracketed_paste(), "paste off");
        let mouse = (screen.mouse_protocol_mode(), screen.mouse_protocol_encoding());
        let off = (vt100::MouseProtocolMode::None, vt100::MouseProtocolEncoding::Default);
        assert_eq!(mouse, off, "mouse off");
        let colours = (screen.fgcolor(), screen.bgcolor());
        assert_eq!(colours, (vt100::Color::Default, vt100::Color::Default), "colours reset");
        assert!(!screen.inverse() && !screen.bold(), "attributes reset");
    }

    /// Asserts that the program has the full screen, so that `assert_restored` is not trivially true.
    #[track_caller]
    pub fn assert_full_screen(&self) {
        assert_ne!(line_modes(&self.slave), self.modes_before, "the line modes are still those of the shell");
        let screen = self.screen();
        assert!(screen.alternate_screen() && screen.hide_cursor() && screen.bracketed_paste());
        assert_ne!(screen.mouse_protocol_mode(), vt100::MouseProtocolMode::None);
    }

    /// Reads for a short time, and returns whether there was any output.
    fn read(&mut self) -> bool {
        let moment = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
        let mut fds = [PollFd::from_borrowed_fd(self.master.as_fd(), PollFlags::IN)];
        if poll(&mut fds, Some(&moment)).unwrap() == 0 {
            return false;
        }
        let mut bytes = [0; 1 << 14];
        let count = self.master.read(&mut bytes).unwrap();
        self.screen.process(&bytes[..count]);
        self.raw.extend_from_slice(&bytes[..count]);
        true
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // a failed test leaves no process behind
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line modes of a terminal, such as raw or echo, as a text.
fn line_modes(slave: &Pts) -> String {
    format!("{:?}", tcgetattr(slave.as_fd()).unwrap())
}

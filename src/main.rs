//! The program `gradstep`.

use std::process::ExitCode;

fn main() -> ExitCode {
    gradstep::command::main(std::env::args_os())
}

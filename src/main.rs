//! The program `gradstep`. It only calls the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    gradstep::command::main(std::env::args_os())
}

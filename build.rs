//! Options of the linker.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |property: &str| env::var(format!("CARGO_CFG_TARGET_{property}")).unwrap_or_default();
    // In a program that can be loaded at any address, the tables of the program do not contain addresses before the program is started. They contain 20,000
    // addresses on 95 pages, and at each start the system would copy these pages, and add the program's address to each number: a sixth of the time of
    // `gradstep --version`. So the program has a fixed address. The heap, the stack and the libraries still have random addresses.
    if target("OS") == "linux" && target("ENV") == "gnu" && !target("FEATURE").contains("crt-static") {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}

//! The door: everything else is the library's.

use std::process::ExitCode;

fn main() -> ExitCode {
    unstale::app::main(std::env::args_os())
}

//! The nimaora program.

use std::process::ExitCode;

fn main() -> ExitCode {
    nimaora::cli::main()
}

//! The `waystream` binary: the command line over the ready jobs.

use std::process::ExitCode;

fn main() -> ExitCode {
    waystream::main(waystream::all())
}

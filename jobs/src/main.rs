//! The `waystream` binary: the command line over the ready jobs.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    waystream::main(waystream::all())
}

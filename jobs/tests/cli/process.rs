//! Runs the binary in a folder of its own, where no configuration of the machine is found.

use std::io::Read;
use std::process::{Child, Command, Output, Stdio};

/// A folder that the binary runs in.
pub(crate) struct Shell(tempfile::TempDir);

/// How a process ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("the binary starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: status.code(), out: text(stdout), err: text(stderr) }
    }
}

impl Shell {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    pub(crate) fn with(self, file: &str, text: &str) -> Self {
        std::fs::write(self.0.path().join(file), text).expect("a file");
        self
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.0.path().join(file)).expect(file)
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub(crate) fn is_empty(&self) -> bool {
        std::fs::read_dir(self.0.path()).expect("a folder").next().is_none()
    }

    /// The bundled ships, as fast as they can be read.
    pub(crate) fn ships(&self) -> String {
        format!("positions=parquet:{}/data/ais_nyharbor.parquet", env!("CARGO_MANIFEST_DIR"))
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waystream"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WAYSTREAM__") {
                command.env_remove(name);
            }
        }
        command.env("XDG_CONFIG_HOME", self.0.path().join("none"));
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(&mut self.command(arguments))
    }

    /// Runs it with a standard output that nobody reads any more.
    pub(crate) fn run_with_closed_output(&self, arguments: &[&str]) -> Ran {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = self.command(arguments);
        let mut child = command.stdout(writer).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut err = String::new();
        child.stderr.take().expect("a pipe").read_to_string(&mut err).expect("UTF-8");
        Ran { code: child.wait().expect("it ends").code(), out: String::new(), err }
    }

    /// Starts it with both outputs piped.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts")
    }
}

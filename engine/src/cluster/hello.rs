//! What a process says of itself to another of its job, and what must be the same in both.

use serde::{Deserialize, Serialize};

/// Which of the connections between two processes one is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Purpose {
    /// Records and progress of the dataflow.
    Data,
    /// What process 0 decides and is told.
    Control,
}

/// What a process says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub(super) job: String,
    /// Version and contents of the program.
    pub(super) build: String,
    pub(super) hosts: Vec<String>,
    pub(super) workers: usize,
    /// Hash of the plan: stages, edges, and where rows end.
    pub(super) plan: String,
    /// Hash of what else must be the same: places, settings, options.
    pub(super) options: String,
    /// Names one start of all processes, where somebody starts them together.
    pub(super) run: String,
    pub(super) index: usize,
    pub(super) purpose: Purpose,
}

impl Hello {
    /// Why `other` belongs to something else, if it does.
    pub(super) fn mismatch(&self, other: &Self) -> Option<String> {
        let differs = |what: &str, theirs: &str, ours: &str| {
            Some(format!("it runs with {what} {theirs}, this one with {ours}"))
        };
        if other.job != self.job {
            return Some(format!("it runs job `{}`, this one `{}`", shown(&other.job), self.job));
        }
        if other.hosts.len() != self.hosts.len() {
            let (theirs, ours) = (other.hosts.len(), self.hosts.len());
            return differs("processes:", &theirs.to_string(), &ours.to_string());
        }
        if let Some(at) = (0..self.hosts.len()).find(|at| other.hosts[*at] != self.hosts[*at]) {
            let (theirs, ours) = (shown(&other.hosts[at]), &self.hosts[at]);
            return differs(&format!("process {at} at"), &theirs, ours);
        }
        if other.workers != self.workers {
            let (theirs, ours) = (other.workers.to_string(), self.workers.to_string());
            return differs("workers:", &theirs, &ours);
        }
        if other.build != self.build {
            return differs("build", &shown(&other.build), &self.build);
        }
        if other.plan != self.plan {
            return Some("its job is made of other stages, edges or sinks".to_owned());
        }
        if other.options != self.options {
            return Some("it was given other sources, sinks, settings or options".to_owned());
        }
        (other.run != self.run).then(|| "it belongs to another start of the job".to_owned())
    }
}

/// A text of another process in a message.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_must_be_the_same_is_named() {
        let ours = Hello {
            job: "fleet".to_owned(),
            build: "1.0 a".to_owned(),
            hosts: vec!["a:1".to_owned(), "b:1".to_owned()],
            workers: 2,
            plan: "p".to_owned(),
            options: "o".to_owned(),
            run: "r".to_owned(),
            index: 0,
            purpose: Purpose::Data,
        };
        let other = |change: fn(&mut Hello)| {
            let mut hello = Hello { index: 1, purpose: Purpose::Control, ..ours.clone() };
            change(&mut hello);
            ours.mismatch(&hello).unwrap_or_default()
        };
        assert_eq!(other(|_| {}), "");
        for (change, named) in [
            ((|hello| hello.job = "taxi".to_owned()) as fn(&mut Hello), "job `taxi`"),
            (|hello| drop(hello.hosts.pop()), "processes: 1, this one with 2"),
            (|hello| hello.hosts[1] = "c:1".to_owned(), "process 1 at c:1, this one with b:1"),
            (|hello| hello.workers = 3, "workers: 3, this one with 2"),
            (|hello| hello.build = "1.1 b".to_owned(), "build 1.1 b, this one with 1.0 a"),
            (|hello| hello.plan.clear(), "other stages"),
            (|hello| hello.options.clear(), "other sources"),
            (|hello| hello.run.clear(), "another start"),
        ] {
            assert!(other(change).contains(named), "{named}: {}", other(change));
        }
    }
}

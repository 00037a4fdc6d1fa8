//! An operator of your own, with timers on both clocks: notes of a user are collected for ten
//! seconds of processing time and sent in one letter, and after a quiet hour of event time the user
//! is told goodbye.
//!
//! ```text
//! cargo run --example 06_process
//! ```

use waystream::prelude::*;

#[derive(Clone, Serialize, Deserialize)]
struct Note {
    user: u32,
    at: Timestamp,
    text: String,
}

struct Digest;

impl Operator for Digest {
    type Key = u32;
    type Record = Note;
    type State = Vec<String>;
    type Output = String;

    fn on_event(&mut self, waiting: &mut Vec<String>, note: Event<Note>, scope: &mut Scope<Self>) {
        if waiting.is_empty() {
            scope.wake_at_clock(scope.now().after(secs(10)));
        }
        scope.wake_at(note.time.after(mins(60)));
        waiting.push(note.value.text);
    }

    fn on_timer(&mut self, waiting: &mut Vec<String>, due: Due, scope: &mut Scope<Self>) {
        let user = *scope.key();
        match due {
            Due::Clock(_) => scope.emit(format!("to {user}: {}", waiting.join(", "))),
            Due::Event(_) => {
                scope.emit(format!("goodbye, {user}"));
                scope.remove(); // with what is kept of the user
            }
        }
        waiting.clear();
    }
}

fn build(flow: &Flow) {
    flow.source("notes", Unset, EventTime::by(|note: &Note| note.at))
        .key_by(|note| note.user)
        .process("digest", Digest)
        .sink("letters", Unset);
}

fn main() {
    let note = |user, minute: i64, text: &str| {
        let at = Timestamp(minute * 60_000);
        Step::Record(Note { user, at, text: text.to_owned() })
    };
    let letters = TestJob::new(build)
        .input(
            "notes",
            [
                note(7, 0, "parcel found"),
                note(7, 1, "parcel loaded"),
                Step::Advance(secs(4)), // processing time goes on only where a test says so
                note(8, 2, "parcel lost"),
                Step::Crash, // and timers outlive a crash
                Step::Advance(secs(6)),
                note(7, 3, "parcel delivered"),
                Step::Advance(secs(10)),
                note(8, 70, "parcel found after all"),
            ],
        )
        .output::<String>("letters");
    letters.iter().for_each(|letter| println!("{letter}"));
}

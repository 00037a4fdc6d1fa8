//! What views and tickers show.

use crate::Step::{Advance, Crash, Record};
use crate::{EventTime, Flow, Shown, TestJob, Timestamp, Unset, secs};
use expect_test::expect;

/// Key, event time, whether it is there.
type Seat = (u8, i64, bool);

fn seats(flow: &Flow) {
    let seats = flow.source("seats", Unset, EventTime::by(|seat: &Seat| Timestamp(seat.1)));
    seats.clone().ticker("latest");
    seats.view("taken", |seat| match seat.2 {
        true => Shown::Row(seat.0.to_string()),
        false => Shown::Gone(seat.0.to_string()),
    });
}

#[test]
fn a_view_is_a_table_and_a_ticker_a_list() {
    let steps: [Seat; 5] = [(1, 0, true), (2, 1, true), (1, 2, false), (2, 3, true), (3, 4, true)];
    let outputs = TestJob::new(seats).input("seats", steps).run().unwrap();
    expect![[r#"{"2": "[2,3,true]", "3": "[3,4,true]"}"#]]
        .assert_eq(&format!("{:?}", outputs.view("taken")));
    expect![[r#"["[1,0,true]", "[2,1,true]", "[1,2,false]", "[2,3,true]", "[3,4,true]"]"#]]
        .assert_eq(&format!("{:?}", outputs.ticker("latest")));
}

#[test]
fn a_table_is_right_again_after_a_crash() {
    let steps = [
        Record::<Seat>((1, 0, true)),
        Record((2, 1, true)),
        Advance(secs(1)),
        Record((1, 2, false)),
        Crash,
        Record((3, 3, true)),
    ];
    let outputs = TestJob::new(seats).input("seats", steps).run().unwrap();
    expect![[r#"{"2": "[2,1,true]", "3": "[3,3,true]"}"#]]
        .assert_eq(&format!("{:?}", outputs.view("taken")));
}

#[test]
fn a_row_that_is_no_json_stops_the_job() {
    let odd = |flow: &Flow| {
        flow.source("odd", Unset, EventTime::by(|odd: &i64| Timestamp(*odd)))
            .map(|odd| std::collections::BTreeMap::from([((odd, odd), odd)]))
            .ticker("odd");
    };
    let error = TestJob::new(odd).input("odd", [1i64]).run().unwrap_err();
    expect!["source odd: a row of view `odd` cannot be written as JSON: key must be a string"]
        .assert_eq(&error.to_string());
}

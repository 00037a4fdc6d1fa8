//! The plan of every ready job, so that none changes unseen: names in it are keys of checkpoints.

use crate::process::Shell;
use expect_test::expect;

#[test]
fn fleet() {
    let shell = Shell::new();
    let given = ["--source", "positions=jsonl:ships.jsonl", "--sink", "trips=jsonl:trips.jsonl"];
    let ran = shell.run(&[&["graph", "fleet"], &given[..]].concat());
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    expect![[r#"
        fleet: positions of anything that moves: live entities, cells, crossings, trips, stops

        positions  (source jsonl:ships.jsonl)
          by key to cells, order
          to sink dead-letters (not written)

        cells  (window v1 60000 ms every 60000 ms)
          to sink cells (not written)

        order  (ordered v1)
          locally to live, crossings, trips, stops

        live  (live v2)
          to view live
          to sink live (not written)

        crossings  (geofence v1)
          to view crossings
          to sink crossings (not written)

        trips  (trips v2, gap of 300000 ms)
          to view trips
          to sink trips

        stops  (stops v2)
          to view stops
          to sink stops (not written)

        settings: allowed-lateness, expire-after, idle-after, max-future, out-of-order, resolution, stop-radius, stop-time, strict-zones, trip-gap, window, zones
    "#]].assert_eq(&ran.out);
    assert!(shell.is_empty(), "looking at a job leaves nothing behind");
}

#[test]
fn replay() {
    let shell = Shell::new();
    let ran = shell.run(&["graph", "replay", "--source", "positions=jsonl:ships.jsonl"]);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""));
    expect![[r#"
        replay: positions from an archive to another place, as they are

        positions  (source jsonl:ships.jsonl)
          to sink positions (not written), dead-letters (not written)
    "#]]
    .assert_eq(&ran.out);
}

#[test]
fn every_job_has_a_plan_here() {
    let jobs: Vec<_> = waystream::all().iter().map(|job| job.name).collect();
    assert_eq!(jobs, ["fleet", "replay"], "add a test above for the plan of each other job");
}

#[test]
fn as_a_flowchart() {
    let chart = Shell::new().run(&["graph", "fleet", "--output", "mermaid"]).out;
    expect![[r#"
        flowchart LR
          s0(["positions"])
          s1["cells"]
          s2["order"]
          s3["live"]
          s4["crossings"]
          s5["trips"]
          s6["stops"]
          s0 == by key ==> s1
          s0 == by key ==> s2
          s2 --> s3
          s2 --> s4
          s2 --> s5
          s2 --> s6
          e0[("cells")]
          s1 -.-> e0
          e1{{"live"}}
          s3 --> e1
          e2[("live")]
          s3 -.-> e2
          e3{{"crossings"}}
          s4 --> e3
          e4[("crossings")]
          s4 -.-> e4
          e5{{"trips"}}
          s5 --> e5
          e6[("trips")]
          s5 -.-> e6
          e7{{"stops"}}
          s6 --> e7
          e8[("stops")]
          s6 -.-> e8
          e9[("dead-letters")]
          s0 -.-> e9
    "#]]
    .assert_eq(&chart);
}

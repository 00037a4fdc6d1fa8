//! The hub as the place where a job's views are shown.

use super::hub::{Change, Hub};
use waystream_engine::spec::Views;

/// Rows a ticker keeps for those who come later.
const TICKER_ROWS: usize = 200;

impl Views for Hub {
    fn apply(&self, view: &str, changes: Vec<(String, Option<String>)>) {
        let change = |(key, row): (String, Option<String>)| {
            let row = row.map(String::into_boxed_str);
            Change { key, row }
        };
        self.view(view).apply(changes.into_iter().map(change).collect());
    }

    fn append(&self, view: &str, rows: Vec<String>) {
        self.ticker(view, TICKER_ROWS).append(rows.into_iter().map(String::into_boxed_str));
    }
}

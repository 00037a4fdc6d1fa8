//! The name that was probably meant, for the hints of errors about unknown names.

/// The next step for somebody who wrote a name that is not known: the name that was probably meant,
/// or all there are.
#[must_use]
pub fn did_you_mean<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<&str> = known.into_iter().collect();
    match nearest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => "leave it out: there is none".to_owned(),
        None => format!("known: {}", known.join(", ")),
    }
}

/// The known name with the fewest edits from `name`, if it is near at all.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let near = known.into_iter().map(|other| (edits(&lower, &other.to_lowercase()), other));
    let (distance, best) = near.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1 + name.chars().count() / 3).then_some(best)
}

/// Insertions, deletions and replacements that turn one text into the other.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let known = ["speed", "map", "time-zone", "jsonl"];
        for (name, meant) in [
            ("spede", Some("speed")),
            ("SPEED", Some("speed")),
            ("timezone", Some("time-zone")),
            ("maps", Some("map")),
            ("json", Some("jsonl")),
            ("topic", None),
            ("s3", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name}");
        }
        assert_eq!(did_you_mean("spede", known), "did you mean `speed`?");
        assert_eq!(did_you_mean("topic", known), "known: speed, map, time-zone, jsonl");
        assert_eq!(did_you_mean("topic", []), "leave it out: there is none");
    }
}

//! The known word that an unknown one was probably meant to be.

/// The nearest of `known` if it is near enough to be a slip of the hand.
pub(super) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let near = known.iter().map(|candidate| (distance(word, candidate), *candidate));
    let (edits, candidate) = near.min_by_key(|(edits, _)| *edits)?;
    let allowed = candidate.chars().count().div_ceil(3).max(1);
    (edits <= allowed).then_some(candidate)
}

/// Single-character edits between two words (Levenshtein).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (line, left) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, right) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_slips_and_leaves_strangers_alone() {
        let known = ["jsonl", "parquet", "stdout", "blackhole"];
        assert_eq!(nearest("json", &known), Some("jsonl"));
        assert_eq!(nearest("parket", &known), Some("parquet"));
        assert_eq!(nearest("stdotu", &known), Some("stdout"));
        assert_eq!(nearest("s3", &known), None);
        assert_eq!(nearest("x", &[]), None);
    }
}

//! The rules of the house, held by a test: run `cargo tidy`.

mod crates;
mod links;
mod modules;
mod size;
mod tree;
mod words;

use tree::Tree;

/// Fails with one line for each breach, each of which says where and what to do.
fn hold(breaches: &[String]) {
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn every_file_says_its_idea_first() {
    hold(
        &Tree::open()
            .rust()
            .flat_map(|(path, text)| size::first_line(path, text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn files_are_short() {
    hold(
        &Tree::open()
            .rust()
            .flat_map(|(path, text)| size::file_length(path, text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn functions_are_short() {
    hold(
        &Tree::open()
            .rust()
            .flat_map(|(path, text)| size::function_lengths(path, text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn examples_are_short() {
    hold(
        &Tree::open()
            .rust()
            .flat_map(|(path, text)| size::example_length(path, text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn no_file_is_an_orphan() {
    hold(&modules::orphans(&Tree::open()));
}

#[test]
fn crates_know_only_what_is_below_them() {
    let tree = Tree::open();
    hold(
        &tree
            .named("Cargo.toml")
            .flat_map(|(path, text)| crates::edges(path, text))
            .collect::<Vec<_>>(),
    );
    hold(&tree.rust().flat_map(|(path, text)| crates::uses(path, text)).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later() {
    hold(
        &Tree::open()
            .rust()
            .flat_map(|(path, text)| words::left_for_later(path, text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn no_path_of_one_machine() {
    hold(
        &Tree::open()
            .texts()
            .flat_map(|(path, text)| words::machine_paths(path, text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn no_registry_is_named_by_its_host() {
    hold(
        &Tree::open()
            .texts()
            .flat_map(|(path, text)| words::registry_hosts(path, text))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn links_lead_somewhere() {
    hold(&links::broken(&Tree::open()));
}

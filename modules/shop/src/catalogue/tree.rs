//! The category tree as a list: parents before their children, each with its depth.

use std::collections::HashMap;

use super::Category;

/// Categories in tree order, siblings by position and name, with their depth; a root has depth 0.
pub(crate) fn in_order(mut all: Vec<Category>) -> Vec<(Category, usize)> {
    all.sort_by(|a, b| (a.position, &a.name, &a.id).cmp(&(b.position, &b.name, &b.id)));
    let mut children = HashMap::<Option<String>, Vec<Category>>::new();
    for one in all {
        children.entry(one.parent.as_ref().map(ToString::to_string)).or_default().push(one);
    }
    let mut listed = Vec::new();
    let mut waiting: Vec<(Category, usize)> = reversed(children.remove(&None), 0);
    while let Some((one, depth)) = waiting.pop() {
        waiting.extend(reversed(children.remove(&Some(one.id.to_string())), depth + 1));
        listed.push((one, depth));
    }
    listed
}

/// Siblings from last to first, since the one added last is taken first.
fn reversed(siblings: Option<Vec<Category>>, depth: usize) -> Vec<(Category, usize)> {
    siblings.unwrap_or_default().into_iter().rev().map(|one| (one, depth)).collect()
}

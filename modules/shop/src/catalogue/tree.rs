//! The category tree as a list: parents before their children, each with its depth.

use std::collections::{HashMap, HashSet};

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

/// `root` and everything below it, given each category with its parent.
pub(crate) fn below(root: &str, links: &[(String, Option<String>)]) -> Vec<String> {
    let mut children = HashMap::<&str, Vec<&str>>::new();
    for (id, parent) in links {
        children.entry(parent.as_deref().unwrap_or_default()).or_default().push(id);
    }
    let mut found = HashSet::new();
    let mut waiting = vec![root];
    while let Some(id) = waiting.pop() {
        if found.insert(id.to_owned()) {
            waiting.extend(children.get(id).into_iter().flatten());
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_below_is_found_and_a_loop_ends() {
        let link = |id: &str, parent: &str| (id.to_owned(), (!parent.is_empty()).then(|| parent.to_owned()));
        let links = [link("a", ""), link("b", "a"), link("c", "b"), link("d", ""), link("x", "y"), link("y", "x")];
        let sorted = |root| {
            let mut found = below(root, &links);
            found.sort();
            found
        };
        assert_eq!(sorted("a"), ["a", "b", "c"]);
        assert_eq!(sorted("c"), ["c"]);
        assert_eq!(sorted("x"), ["x", "y"]);
    }
}

//! The disk of a machine whose power fails. What was written to a file is on it once the file was synced, and not
//! before; what its files still show when only the process ends is what the kernel would have written later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::strace::{Happening, bytes};

/// The databases and logs of a data folder, as they were when all of them had reached the disk.
pub struct Disk(BTreeMap<String, Vec<u8>>);

impl Disk {
    /// Under a shop that was stopped.
    pub fn under(data: &Path) -> Self {
        let paths = std::fs::read_dir(data).expect("a folder").map(|entry| entry.expect("an entry").path());
        let files = paths.filter_map(|path| {
            let name = path.file_name()?.to_str()?.to_owned();
            let kept = name.ends_with(".db") || name.ends_with(".db-wal");
            kept.then(|| (name, std::fs::read(&path).expect("reads")))
        });
        Self(files.collect())
    }

    /// Leaves in the data folder of a process that is gone what would be left of each file that it was seen to write to
    /// since then.
    pub fn lose_power(mut self, data: &Path, happenings: &[Happening]) {
        let written = happenings.iter().filter_map(|happening| match happening {
            Happening::Wrote { file, .. } => Some(file.as_str()),
            _ => None,
        });
        for file in written.collect::<BTreeSet<&str>>() {
            let before = self.0.remove(file).unwrap_or_default();
            std::fs::write(data.join(file), reached(before, file, happenings)).expect("writes");
            // It is in memory, not on the disk, and speaks of what has been lost.
            let database = file.split('.').next().expect("a name");
            let _ = std::fs::remove_file(data.join(format!("{database}.db-shm")));
        }
    }
}

/// What a file holds on the disk that held this before.
fn reached(mut content: Vec<u8>, file: &str, happenings: &[Happening]) -> Vec<u8> {
    let synced = happenings.iter().filter_map(|happening| match happening {
        Happening::Synced { file: of, since } if of == file => Some(*since),
        _ => None,
    });
    let safe = synced.max().unwrap_or(0);
    for happening in &happenings[..safe] {
        if let Happening::Wrote { file: to, offset, text } = happening
            && to == file
        {
            put(&mut content, *offset, &bytes(text));
        }
    }
    content
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    content.resize(content.len().max(end), 0);
    content[offset..end].copy_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_since_the_last_sync_began_is_lost() {
        let wrote = |file: &str, offset: usize, text: &str| {
            let (file, text) = (file.to_owned(), text.to_owned());
            Happening::Wrote { file, offset, text }
        };
        let synced = |since: usize| Happening::Synced { file: "a.db".to_owned(), since };
        let happenings = [
            wrote("a.db", 2, "xy\\0z"),
            wrote("b.db", 0, "other"),
            synced(2),
            wrote("a.db", 0, "Q"),
            wrote("a.db", 1, "R"),
            synced(4),
            wrote("a.db", 3, "late"),
        ];
        let left = |file: &str, happenings: &[Happening]| reached(b"abc".to_vec(), file, happenings);
        assert_eq!(left("a.db", &happenings), b"Qbxy\0z");
        assert_eq!(left("a.db", &happenings[..5]), b"abxy\0z");
        assert_eq!(left("b.db", &happenings), b"abc", "never synced");
    }
}

//! Entries: they come sealed from whoever made a link, or as a file from
//! anybody. One entry has one binary form, and each form gives the other.

use samara_core::FileEntry;

use crate::memory::bounded;

/// A JSON object of one field takes some hundred times its text's length.
const FACTOR: usize = 128;
/// JSON of 64 KiB, the most that fields of later versions may have, in its
/// most wasteful form: objects of one field with one letter.
const ALLOWANCE: usize = 8 << 20;
/// Chunk lists are what makes entries long.
const BINARY_FACTOR: usize = 4;

/// What decodes from binary is, but for the padding, its own encoding.
pub fn check_binary(bytes: &[u8]) {
    let read = || FileEntry::from_binary(bytes);
    let Ok(entry) = bounded(bytes.len(), BINARY_FACTOR, ALLOWANCE, read) else {
        return;
    };
    let written = entry.to_binary();
    let (read, padding) = bytes.split_at(written.len());
    assert_eq!(read, written, "an entry with two binary forms");
    assert!(padding.iter().all(|byte| *byte == 0));
    both_forms_agree(&entry);
}

/// What decodes from JSON keeps its meaning in either form.
pub fn check_json(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let read = || FileEntry::from_json(text);
    if let Ok(entry) = bounded(bytes.len(), FACTOR, ALLOWANCE, read) {
        both_forms_agree(&entry);
    }
}

fn both_forms_agree(entry: &FileEntry) {
    let json = entry.to_json();
    let from_json = FileEntry::from_json(&json);
    assert_eq!(from_json.as_ref(), Ok(entry), "lost in JSON");
    let binary = entry.to_binary();
    let from_binary = FileEntry::from_binary(&binary);
    assert_eq!(from_binary.as_ref(), Ok(entry), "lost in binary");
    lengths_add_up(entry);
}

/// Readers cut each chunk to the length the entry says.
fn lengths_add_up(entry: &FileEntry) {
    let lengths = (0..entry.chunks().len()).map(|index| entry.chunk_len(index) as u64);
    assert_eq!(lengths.sum::<u64>(), entry.size());
    assert_eq!(entry.chunk_len(entry.chunks().len()), 0);
}

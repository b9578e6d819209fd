//! Names and media types of files: what an entry may say, and how to get there.

use alloc::string::String;

/// The media type for "no idea" (RFC 2046 §4.5.1).
pub const OCTET_STREAM: &str = "application/octet-stream";

/// Most bytes of a file name or media type.
const MAX_LEN: usize = 255;

/// Makes any text a plain file name, as near to it as possible.
pub fn to_file_name(text: &str) -> String {
    let plain = |c: char| if is_plain(c) { c } else { '_' };
    let mut name: String = text.chars().map(plain).collect();
    while name.len() > MAX_LEN {
        name.pop();
    }
    if is_file_name(&name) {
        name
    } else {
        "file".into()
    }
}

pub(super) fn is_file_name(name: &str) -> bool {
    (1..=MAX_LEN).contains(&name.len()) && name != "." && name != ".." && name.chars().all(is_plain)
}

/// Neither a folder's separator nor something a terminal would act on.
fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '/' | '\\')
}

/// `type/subtype` in printable ASCII, parameters allowed (RFC 6838 §4.2).
pub(super) fn is_mime_type(text: &str) -> bool {
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let parts = text.split_once('/');
    let named = parts.is_some_and(|(kind, subtype)| !kind.is_empty() && !subtype.is_empty());
    text.len() <= MAX_LEN && printable && named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_becomes_a_file_name() {
        for (text, name) in [
            ("a.mkv", "a.mkv"),
            ("../x", ".._x"),
            ("", "file"),
            ("..", "file"),
        ] {
            assert_eq!(to_file_name(text), name);
        }
        assert!(to_file_name(&"ü".repeat(200)).len() <= MAX_LEN);
    }
}

//! The test vectors as first inputs: every format, right and wrong.

use std::path::Path;

use serde_json::Value;

/// All bytes of messages and of what is none.
pub(crate) fn messages() -> Vec<Vec<u8>> {
    cases("message.json", &["messages", "refused"], &["bytes"], hex)
}

/// All binary entries and what is none.
pub(crate) fn binary_entries() -> Vec<Vec<u8>> {
    let lists = ["entries", "texts", "refusedBinary"];
    cases("entry.json", &lists, &["binary"], hex)
}

/// All JSON entries and what is none.
pub(crate) fn json_entries() -> Vec<Vec<u8>> {
    let lists = ["entries", "texts", "refusedJson"];
    cases("entry.json", &lists, &["entry", "text"], text)
}

/// All texts of links and what is none.
pub(crate) fn links() -> Vec<Vec<u8>> {
    cases("link.json", &["links", "refused"], &["text", "url"], text)
}

/// All signals inside their seal.
pub(crate) fn signals() -> Vec<Vec<u8>> {
    cases("signal.json", &["signals"], &["plain"], hex)
}

/// The `fields` of every case in `lists` of a file, as `read` reads them.
fn cases(file: &str, lists: &[&str], fields: &[&str], read: fn(&Value) -> Vec<u8>) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    let text = std::fs::read_to_string(folder.join(file)).expect("the file of vectors is there");
    let file: Value = serde_json::from_str(&text).expect("vectors are JSON");
    let cases = lists.iter().map(|list| file[list].as_array());
    let cases = cases.flat_map(|list| list.expect("the vectors have the list"));
    let values = cases.flat_map(|case| fields.iter().filter_map(|field| case.get(field)));
    values.map(read).collect()
}

fn text(value: &Value) -> Vec<u8> {
    let text = value.as_str().map(str::to_owned);
    text.unwrap_or_else(|| value.to_string()).into_bytes()
}

fn hex(value: &Value) -> Vec<u8> {
    let digits = value.as_str().expect("bytes are a text").as_bytes();
    let byte = |pair: &[u8]| {
        let pair = str::from_utf8(pair).expect("digits are ASCII");
        u8::from_str_radix(pair, 16).expect("bytes are hexadecimal")
    };
    digits.chunks(2).map(byte).collect()
}

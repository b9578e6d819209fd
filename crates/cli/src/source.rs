//! What to seed or fetch: an entry or a link, however it is given.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use samara_core::entry::blob::MAX_ENTRY_LEN;
use samara_core::{FileEntry, Link};
use samara_node::Target;

use crate::args::What;
use crate::exit::{Code, Failure};

/// JSON of the largest entry is a few times its binary form.
const MAX_LEN: u64 = 4 * MAX_ENTRY_LEN;

/// Reads what `what` says.
pub fn read(what: &What) -> Result<Target, Failure> {
    match (&what.input, &what.link) {
        (Some(path), _) => parse(&text_of(path)?),
        (None, Some(link)) => Ok(Target::Link(link.parse()?)),
        (None, None) => Err(Failure::new(Code::Usage, "name an entry or a link")),
    }
}

/// A file holds an entry, or a link where a command line would show it.
fn parse(text: &str) -> Result<Target, Failure> {
    let text = text.trim();
    let is_link = text.starts_with("samara:") || text.starts_with("http");
    if is_link && !text.contains(char::is_whitespace) {
        return Ok(Target::Link(text.parse()?));
    }
    let entry = FileEntry::from_json(text)?;
    let link: Link = entry.link()?;
    Ok(Target::Entry(Arc::new(entry), link))
}

fn text_of(path: &Path) -> Result<String, Failure> {
    let failed = |error: io::Error| {
        let path = path.display();
        let what = match error.kind() {
            io::ErrorKind::InvalidData => "is no entry; use the file that ingest wrote".to_owned(),
            _ => format!("cannot be read: {error}"),
        };
        Failure::new(Code::Entry, format!("{path} {what}"))
    };
    let mut text = String::new();
    if path == Path::new("-") {
        io::stdin().take(MAX_LEN).read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_LEN).read_to_string(&mut text))
    }
    .map_err(failed)?;
    Ok(text)
}

//! What to seed or fetch: an entry or a link, however it is given.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use samara_core::entry::blob::MAX_ENTRY_LEN;
use samara_core::{FileEntry, Link};
use samara_node::{PeerUrl, Target};

use crate::args::What;
use crate::exit::{Code, Failure};

/// JSON of the largest entry is a few times its binary form.
const MAX_LEN: u64 = 4 * MAX_ENTRY_LEN;

/// What to seed or fetch, and where others look for it.
#[derive(Debug)]
pub struct Source {
    /// What to seed or fetch.
    pub target: Target,
    /// The relay whose page the link opens.
    pub relay: Option<PeerUrl>,
}

/// Reads what `what` says.
pub fn read(what: &What) -> Result<Source, Failure> {
    match (&what.input, &what.link) {
        (Some(path), _) => parse(&text_of(path)?),
        (None, Some(link)) => of_link(link),
        (None, None) => Err(Failure::new(Code::Usage, "name an entry or a link")),
    }
}

/// A file holds an entry, or a link where a command line would show it.
fn parse(text: &str) -> Result<Source, Failure> {
    let text = text.trim();
    let is_link = text.starts_with("samara:") || text.starts_with("http");
    if is_link && !text.contains(char::is_whitespace) {
        return of_link(text);
    }
    let entry = FileEntry::from_json(text)?;
    let link: Link = entry.link()?;
    Ok(Source {
        target: Target::Entry(Arc::new(entry), link),
        relay: None,
    })
}

fn of_link(text: &str) -> Result<Source, Failure> {
    let target = Target::Link(text.parse()?);
    // A page that is no relay's is no reason to refuse its link.
    let relay = text.trim().parse().ok();
    Ok(Source { target, relay })
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

#[cfg(test)]
mod tests {
    use super::*;
    use samara_core::blob::BlobId;
    use samara_core::entry::blob::Depth;
    use samara_core::seal::BlobKey;

    #[test]
    fn a_pages_link_names_its_relay_without_the_secret() {
        let link = Link {
            id: BlobId::from_bytes([1; 32]),
            key: BlobKey::from_bytes([2; 32]),
            depth: Depth::ZERO,
        };
        for (text, relay) in [
            (
                link.to_url("https://relay.example/"),
                Some("wss://relay.example/ws"),
            ),
            (
                link.to_url("http://127.0.0.1:8787/"),
                Some("ws://127.0.0.1:8787/ws"),
            ),
            (link.to_url("file:///page.html"), None),
            (link.to_text(), None),
        ] {
            let source = of_link(&text).unwrap();
            assert_eq!(source.relay.as_ref().map(PeerUrl::as_str), relay);
        }
    }
}

use samara_core::Link;
use samara_core::link::LinkError;
use serde::Deserialize;

use crate::{Hex, read};

#[derive(Deserialize)]
struct File {
    page: String,
    links: Vec<Good>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Good {
    id: Hex,
    key: Hex,
    depth: u8,
    text: String,
    url: String,
    also_read: Vec<String>,
}

#[derive(Deserialize)]
struct Refused {
    name: String,
    text: String,
    reason: String,
}

/// The vectors' name for an error.
fn reason(error: LinkError) -> &'static str {
    match error {
        LinkError::NotALink => "not-a-link",
        LinkError::Length { .. } => "length",
        LinkError::Damaged => "damaged",
        LinkError::Version { .. } => "version",
        other => panic!("the vectors have no name for {other}"),
    }
}

#[test]
fn links_are_written_and_read_as_the_vectors_say() {
    let links: File = read("link.json");
    for case in links.links {
        let link: Link = case.text.parse().unwrap();
        assert_eq!(link.id.as_bytes(), &case.id.array());
        assert_eq!(link.key.expose(), &case.key.array());
        assert_eq!(link.depth.get(), case.depth);
        assert_eq!(link.to_text(), case.text);
        assert_eq!(link.to_url(&links.page), case.url);
        for text in case.also_read.iter().chain([&case.url]) {
            assert_eq!(text.parse(), Ok(link.clone()), "{text:?}");
        }
    }
}

#[test]
fn what_is_no_link_is_refused_for_the_vectors_reason() {
    let links: File = read("link.json");
    for case in links.refused {
        let error = case.text.parse::<Link>().expect_err(&case.name);
        assert_eq!(reason(error), case.reason, "{}", case.name);
    }
}

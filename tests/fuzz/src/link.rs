//! Links: pasted by people, with whatever came along.

use samara_core::Link;

use crate::memory::bounded;

/// A link's payload is cut out of the text, not copied.
const ALLOWANCE: usize = 1 << 10;

/// What parses is written and parsed again as the same link, in every form.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let Ok(link) = bounded(0, 0, ALLOWANCE, || text.parse::<Link>()) else {
        return;
    };
    let own = link.to_text();
    assert_eq!(own.parse().as_ref(), Ok(&link));
    assert_eq!(link.to_url("https://relay.example/?a#b").parse(), Ok(link));
    // One link, one payload: two texts of a link are equal where it counts.
    let payload = own.strip_prefix("samara:").expect("a link has its scheme");
    assert!(text.contains(payload), "a link with two payloads");
}

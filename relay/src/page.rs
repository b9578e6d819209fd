//! The page, served out of the binary.

use std::borrow::Cow;

use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Router, body::Body};
use bytes::Bytes;
use rust_embed::{Embed, EmbeddedFile};
use tower_http::set_header::SetResponseHeaderLayer;

#[derive(Embed)]
#[folder = "$SAMARA_PAGE"]
struct Page;

/// The folder whose files the bundler names after their content.
const HASHED: &str = "assets/";

/// What the page may do: its own code and WebAssembly; WebSockets to any peer,
/// since peers are wherever they are; pictures and media out of memory, which
/// is where files are opened.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; \
    script-src 'self' 'wasm-unsafe-eval'; \
    style-src 'self'; \
    img-src 'self' data: blob:; \
    media-src 'self' blob:; \
    font-src 'self'; \
    worker-src 'self' blob:; \
    connect-src 'self' ws: wss: blob:; \
    manifest-src 'self'; \
    base-uri 'none'; \
    form-action 'none'; \
    frame-ancestors 'none'";

/// On every answer. No COEP: it would shut out sources on other hosts and
/// buys only threads that the page does not use.
const HEADERS: [(&str, &str); 5] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    ("cross-origin-opener-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), geolocation=(), microphone=()",
    ),
];

/// The page and its files.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", index())
        .route("/{*path}", get(file))
}

/// Puts the headers every answer carries onto a router's answers.
pub(crate) fn with_headers<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    HEADERS.into_iter().fold(router, |router, (name, value)| {
        let name = HeaderName::from_static(name);
        let value = HeaderValue::from_static(value);
        router.layer(SetResponseHeaderLayer::if_not_present(name, value))
    })
}

fn index<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    get(async |headers: HeaderMap| answer("index.html", &headers))
}

async fn file(Path(path): Path<String>, headers: HeaderMap) -> Response {
    answer(&path, &headers)
}

fn answer(path: &str, asked: &HeaderMap) -> Response {
    let Some(file) = Page::get(path) else {
        return (StatusCode::NOT_FOUND, "there is nothing here\n").into_response();
    };
    let tag = tag(&file);
    let about = [
        (ETAG, tag.clone()),
        (CACHE_CONTROL, HeaderValue::from_static(caching(path))),
    ];
    if knows(asked, &tag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let kind = mime_guess::from_path(path).first_or_octet_stream();
    let kind = HeaderValue::try_from(content_type(kind.as_ref())).expect("media types are ASCII");
    let body = Body::from(match file.data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    });
    (about, [(CONTENT_TYPE, kind)], body).into_response()
}

/// What is named after its content never changes; the rest is asked for again
/// and mostly found unchanged.
fn caching(path: &str) -> &'static str {
    if path.starts_with(HASHED) {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    }
}

fn content_type(kind: &str) -> String {
    match kind {
        "text/html" | "text/css" | "text/javascript" => format!("{kind}; charset=utf-8"),
        other => other.to_owned(),
    }
}

/// The first half of the file's SHA-256.
fn tag(file: &EmbeddedFile) -> HeaderValue {
    let hash = file.metadata.sha256_hash();
    let half: [u8; 16] = hash[..16].try_into().expect("half of 32 bytes");
    let digits = u128::from_be_bytes(half);
    HeaderValue::try_from(format!("\"{digits:032x}\"")).expect("digits and quotes are ASCII")
}

/// Whether the browser has this very version (RFC 9110, 13.1.2).
fn knows(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let tags = asked.get_all(IF_NONE_MATCH).iter();
    let mut tags = tags.flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
    tags.any(|known| {
        let known = known.trim_ascii();
        known == b"*" || known.strip_prefix(b"W/").unwrap_or(known) == tag.as_bytes()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_named_after_their_content_are_kept_for_ever() {
        assert_eq!(caching("index.html"), "no-cache");
        assert_eq!(
            caching("assets/samara-B2x_9f.wasm"),
            "public, max-age=31536000, immutable"
        );
    }

    #[test]
    fn wasm_has_the_type_that_streaming_compilation_needs() {
        let kind = mime_guess::from_path("a.wasm").first_or_octet_stream();
        assert_eq!(kind.as_ref(), "application/wasm");
        assert_eq!(content_type("text/html"), "text/html; charset=utf-8");
    }

    #[test]
    fn a_known_version_is_not_sent_again() {
        let asked = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(value));
            headers
        };
        let tag = HeaderValue::from_static("\"ab\"");
        assert!(knows(&asked("\"cd\", W/\"ab\""), &tag));
        assert!(knows(&asked("*"), &tag));
        assert!(!knows(&asked("\"cd\""), &tag));
        assert!(!knows(&HeaderMap::new(), &tag));
    }
}

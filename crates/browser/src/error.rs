//! Errors as JavaScript sees them: an `Error` with a `code`.

use js_sys::Reflect;
use wasm_bindgen::{JsCast as _, JsValue};

/// An error with one of the codes of `SamaraErrorCode` in `web/client`.
pub(crate) trait Coded: std::error::Error {
    fn code(&self) -> &'static str;
}

/// The error for JavaScript.
pub(crate) fn to_js(error: &impl Coded) -> JsValue {
    coded(error.code(), &error.to_string())
}

/// An error for JavaScript, of parts.
pub(crate) fn coded(code: &str, message: &str) -> JsValue {
    let error = js_sys::Error::new(message);
    Reflect::set(&error, &"code".into(), &code.into()).expect("an error takes properties");
    error.into()
}

/// What an exception says.
pub(crate) fn text_of(exception: &JsValue) -> String {
    match exception.dyn_ref::<js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => match exception.dyn_ref::<web_sys::DomException>() {
            Some(error) => error.message(),
            None => format!("{exception:?}"),
        },
    }
}

impl Coded for samara_core::link::LinkError {
    fn code(&self) -> &'static str {
        "bad-link"
    }
}

impl Coded for samara_core::entry::EntryError {
    fn code(&self) -> &'static str {
        "bad-entry"
    }
}

impl Coded for samara_core::entry::blob::OpenEntryError {
    fn code(&self) -> &'static str {
        "bad-entry"
    }
}

impl Coded for samara_core::seal::OpenError {
    fn code(&self) -> &'static str {
        "bad-entry"
    }
}

impl Coded for samara_swarm::TransferFailure {
    fn code(&self) -> &'static str {
        match self {
            Self::Entry(_) => "bad-entry",
            Self::Store(_) => "store-full",
            _ => "store-failed",
        }
    }
}

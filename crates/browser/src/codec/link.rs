//! Links for JavaScript.

use samara_core::Link;
use samara_core::entry::blob::Depth;
use samara_core::link::LinkError;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::{key_of, text_of_key};
use crate::error::{coded, to_js};
use crate::host::to_object;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What a link says. */
export interface LinkParts {
  /** The entry blob: 64 hexadecimal digits. */
  id: string;
  /** Its key, a secret: 64 hexadecimal digits. */
  key: string;
  /** How many entries are between the link and the file's own. */
  depth: number;
  /** Where holders of the link meet: 40 hexadecimal digits. */
  topic: string;
}
"#;

#[wasm_bindgen]
extern "C" {
    /// `LinkParts` in the generated types.
    #[wasm_bindgen(typescript_type = "LinkParts")]
    pub type LinkParts;
    /// `LinkParts` in the generated types, without what follows from the rest.
    #[wasm_bindgen(typescript_type = "Omit<LinkParts, 'topic'>")]
    pub type LinkSource;
}

#[derive(Serialize, Deserialize)]
pub(super) struct Parts {
    id: String,
    key: String,
    depth: u8,
    #[serde(default)]
    topic: String,
}

/// Reads a link in any of its forms.
#[wasm_bindgen(js_name = readLink)]
pub fn read_link(text: &str) -> Result<LinkParts, JsValue> {
    let link: Link = text.parse().map_err(|error| to_js(&error))?;
    Ok(to_object(&Parts::from(&link)).into())
}

/// The link's text: `samara:…`.
#[wasm_bindgen(js_name = writeLink)]
pub fn write_link(parts: LinkSource) -> Result<String, JsValue> {
    let wrong = || coded("bad-link", "an id and a key are 64 hexadecimal digits each");
    let parts: Parts = serde_wasm_bindgen::from_value(parts.into()).map_err(|_| wrong())?;
    let link = Link {
        id: parts.id.parse().map_err(|_| wrong())?,
        key: key_of(&parts.key).map_err(|_| wrong())?,
        depth: Depth::new(parts.depth).ok_or_else(|| to_js(&LinkError::Damaged))?,
    };
    Ok(link.to_text())
}

impl From<&Link> for Parts {
    fn from(link: &Link) -> Self {
        Self {
            id: link.id.to_string(),
            key: text_of_key(&link.key),
            depth: link.depth.get(),
            topic: link.topic().to_string(),
        }
    }
}

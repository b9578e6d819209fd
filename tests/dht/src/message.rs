//! Messages of BEP 5, as a node reads and writes them.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::Key;

#[derive(Deserialize)]
pub struct Query {
    pub t: ByteBuf,
    pub q: String,
    pub a: Arguments,
}

#[derive(Deserialize)]
pub struct Arguments {
    #[serde(default)]
    pub target: Option<ByteBuf>,
    #[serde(default)]
    pub info_hash: Option<ByteBuf>,
    #[serde(default)]
    pub token: Option<ByteBuf>,
    #[serde(default)]
    pub port: Option<u16>,
    #[serde(default)]
    pub implied_port: Option<u8>,
}

impl Arguments {
    pub fn key(&self) -> Option<Key> {
        let key = self.info_hash.as_ref().or(self.target.as_ref())?;
        key.as_slice().try_into().ok()
    }
}

#[derive(Serialize, Default)]
pub struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub e: Option<(u16, &'static str)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r: Option<Reply>,
    pub t: ByteBuf,
    pub y: &'static str,
}

#[derive(Serialize, Default)]
pub struct Reply {
    pub id: ByteBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<ByteBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<ByteBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<ByteBuf>>,
}

//! A value as its text in JSON.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::{Deserialize as _, Error as _};
use serde::{Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(value: &impl Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

pub(super) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
where
    T: FromStr<Err: Display>,
    D: Deserializer<'de>,
{
    let text = String::deserialize(from)?;
    text.parse().map_err(D::Error::custom)
}

//! Formats alone.

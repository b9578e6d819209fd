//! See `samara_fuzz::message`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| samara_fuzz::message::check(bytes));

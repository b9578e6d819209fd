//! See `samara_fuzz::machine`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| samara_fuzz::machine::check(bytes));

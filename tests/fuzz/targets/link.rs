//! See `samara_fuzz::link`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| samara_fuzz::link::check(bytes));

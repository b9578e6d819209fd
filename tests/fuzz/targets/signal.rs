//! See `samara_fuzz::signal`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| samara_fuzz::signal::check(bytes));

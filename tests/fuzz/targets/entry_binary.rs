//! See `samara_fuzz::entry`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| samara_fuzz::entry::check_binary(bytes));

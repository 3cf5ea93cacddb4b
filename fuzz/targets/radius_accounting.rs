#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::radius_accounting(bytes));

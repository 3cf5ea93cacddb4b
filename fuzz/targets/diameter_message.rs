#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::diameter_message(bytes));

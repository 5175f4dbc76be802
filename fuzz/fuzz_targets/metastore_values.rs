#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| esker_fuzz::metastore_values(data));

#![no_main]

#[path = "../checks/judge.rs"]
mod judge;

libfuzzer_sys::fuzz_target!(|data: &[u8]| judge::check(data));

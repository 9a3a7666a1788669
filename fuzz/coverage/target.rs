//! One reader under libFuzzer; the binary's name says which.

#![no_main]

use libfuzzer_sys::fuzz_target;
use readers::Reader;

thread_local! {
    static READER: Reader = Reader::new(env!("CARGO_BIN_NAME")).expect("good files to start from");
}

fuzz_target!(|bytes: &[u8]| READER.with(|reader| reader.read(bytes).expect("room for a file")));

//! What `unstale record` writes; what can be read is judged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unstale::bundle::Bundle;
use unstale::detect::Judge;

fuzz_target!(|text: &[u8]| {
    if let Ok(bundle) = Bundle::parse(text) {
        let _ = Judge::new(&bundle.facts, &bundle.answers).all();
    }
});

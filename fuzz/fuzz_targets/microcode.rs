//! Microcode files of both vendors, initrds that hold them, and the text that tells which processors there are. The first
//! byte chooses.
#![no_main]

use libfuzzer_sys::fuzz_target;
use unstale::boot::microcode::amd::read_containers;
use unstale::boot::microcode::early::find_early;
use unstale::boot::microcode::intel::read_records;
use unstale::boot::microcode::processors::{CpuInfo, parse_cpuinfo};
use unstale::boot::microcode::{parse_disabled, ranges::Ranges};

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else {
        return;
    };
    let all = |_: u32| true;
    match choice % 4 {
        0 => {
            let Ok(updates) = read_records(&bytes, &all) else {
                return;
            };
            // Whoever wants one gets the same of it.
            for update in &updates {
                let some = read_records(&bytes, &|signature| signature == update.signature);
                assert!(some.is_ok_and(|some| some.contains(update)));
            }
        }
        1 => {
            let (updates, damage) = read_containers(&bytes, &all);
            assert!(damage.is_some() || bytes.is_empty() || updates.len() <= bytes.len());
        }
        2 => {
            let name = b"kernel/x86/microcode/GenuineIntel.bin";
            if let Ok(Some((start, size))) = find_early(&bytes, name) {
                assert!(start + size <= Ranges::size(&bytes));
            }
        }
        _ => {
            if let CpuInfo::Cpus(cpus) = parse_cpuinfo(bytes) {
                assert!(!cpus.is_empty());
            }
            let _ = parse_disabled(bytes);
        }
    }
});

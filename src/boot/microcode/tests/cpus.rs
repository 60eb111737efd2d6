//! Texts of `/proc/cpuinfo`.

use crate::boot::microcode::initrds::is_initrd;
use crate::boot::microcode::processors::{Cpu, CpuInfo, kind_of, parse_cpuinfo};
use crate::model::Bytes;

/// A CPU as Linux on x86 prints it.
pub(super) fn cpu(number: u32, vendor: &str, kind: (u32, u32, u32), more: &str) -> String {
    let (family, model, stepping) = kind;
    format!(
        "processor\t: {number}\nvendor_id\t: {vendor}\ncpu family\t: {family}\nmodel\t\t: {model}\n\
         model name\t: A processor: the model\nstepping\t: {stepping}\n{more}\
         cpu MHz\t\t: 800.000\nflags\t\t: fpu vme de\nbugs\t\t: spectre_v1\n\n"
    )
}

#[track_caller]
fn signed(vendor: &str, kind: (u32, u32, u32), signature: u32) {
    let CpuInfo::Cpus(cpus) = parse_cpuinfo(cpu(0, vendor, kind, "").as_bytes()) else {
        panic!("{kind:?}");
    };
    assert_eq!(cpus[0].signature, signature);
    assert_eq!(kind_of(signature), kind);
}

#[test]
fn t9_20_kinds_are_packed_as_cpuid_does() {
    signed("GenuineIntel", (6, 0x8e, 0xa), 0x806ea);
    signed("GenuineIntel", (6, 0xf, 0xb), 0x6fb);
    signed("GenuineIntel", (15, 4, 8), 0xf48);
    signed("GenuineIntel", (19, 1, 1), 0x40_0f11);
    signed("AuthenticAMD", (0x10, 2, 3), 0x10_0f23);
    signed("AuthenticAMD", (0x19, 0x61, 2), 0xa6_0f12);
    signed("AuthenticAMD", (0x1a, 0x44, 0), 0xb4_0f40);
}

#[test]
fn t9_24_every_cpu_is_read() {
    let more = "microcode\t: 0xf6\nphysical id\t: 1\n";
    let text = [
        cpu(0, "GenuineIntel", (6, 0x8e, 0xa), ""),
        cpu(17, "GenuineIntel", (6, 0x8e, 0xa), more),
    ];
    let first = Cpu {
        number: 0,
        vendor: Bytes::from("GenuineIntel"),
        signature: 0x806ea,
        revision: None,
        package: None,
    };
    let second = Cpu {
        number: 17,
        revision: Some(0xf6),
        package: Some(1),
        ..first.clone()
    };
    let expected = CpuInfo::Cpus(vec![first, second]);
    assert_eq!(parse_cpuinfo(text.concat().as_bytes()), expected);
    // Without the empty line at the end.
    assert_eq!(parse_cpuinfo(text.concat().trim_end().as_bytes()), expected);
}

#[track_caller]
fn not_ours(text: &str) {
    assert_eq!(parse_cpuinfo(text.as_bytes()), CpuInfo::NotOurs);
}

#[test]
fn t9_23_guests_and_other_architectures_are_not_ours() {
    let guest = cpu(0, "GenuineIntel", (6, 207, 2), "microcode\t: 0x1\n");
    not_ours(&guest.replace("vme de", "vme hypervisor de"));
    not_ours(&cpu(0, "GenuineIntel", (5, 2, 12), ""));
    not_ours(&cpu(0, "AuthenticAMD", (15, 5, 1), ""));
    not_ours(&cpu(0, "CentaurHauls", (6, 15, 10), ""));
    not_ours(&cpu(0, "HygonGenuine", (24, 0, 1), ""));
    // ARM, RISC-V, s390x, POWER.
    not_ours("processor\t: 0\nBogoMIPS\t: 50.00\nCPU implementer\t: 0x41\n\n");
    not_ours("processor\t: 0\nhart\t\t: 1\nisa\t\t: rv64imafdc\n\n");
    not_ours("vendor_id       : IBM/S390\n# processors    : 2\nprocessor 0: version = FF\n");
    not_ours("processor\t: 0\ncpu\t\t: POWER9\n\nplatform\t: PowerNV\n");
    not_ours("");
    not_ours("\0\0:::\n:\n");
}

#[test]
fn g_a_processor_that_cannot_be_told_is_said() {
    let text = cpu(3, "GenuineIntel", (6, 5, 2), "");
    for (from, to) in [
        ("stepping\t: 2", "stepping\t: unknown"),
        ("family\t: 6", "family\t: 999"),
    ] {
        let unclear = CpuInfo::Unclear(Bytes::from("3"));
        assert_eq!(parse_cpuinfo(text.replace(from, to).as_bytes()), unclear);
    }
}

#[test]
fn t9_22_initrds_have_names() {
    let ours = [
        "initrd.img-6.1.0-56-amd64",
        "initrd.img",
        "initramfs-5.14.0-503.el9.x86_64.img",
        "initrd-6.4.0-default",
        "initramfs-linux.img",
        "initrd",
        "intel-ucode.img",
        "amd-ucode.img",
        "x3-initrd-linux-6.6.1-initrd",
    ];
    let others = [
        "vmlinuz-6.1.0-56-amd64",
        "initramfs-5.14.0-503.el9.x86_64kdump.img",
        "initramfs-0-rescue-0123456789abcdef.img",
        "initrd.img-6.1.0-56-amd64.old-dkms",
        "initrd.img-6.1.0-56-amd64.dpkg-bak",
        "System.map",
        "grub",
    ];
    for (names, expected) in [(&ours[..], true), (&others[..], false)] {
        for name in names {
            assert_eq!(is_initrd(name.as_bytes()), expected, "{name}");
        }
    }
}

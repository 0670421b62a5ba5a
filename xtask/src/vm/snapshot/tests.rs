use super::*;
use crate::vm::device::{Device, DeviceText};
use crate::vm::hardware::{Hardware, MachineType};
use crate::vm::test_values::{kernel, toolchain};

#[test]
fn the_second_page_is_not_in_the_hash_of_a_memory() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(MEMORY);
    let hash_with = |changed: usize| -> Result<blake3::Hash> {
        let mut bytes = vec![0; 4 * 4096];
        bytes[changed] = 1;
        std::fs::write(&path, bytes)?;
        memory_hash(&path)
    };
    let first = hash_with(4096)?;
    assert_eq!(hash_with(2 * 4096 - 1)?, first);
    assert_ne!(hash_with(4095)?, first);
    assert_ne!(hash_with(2 * 4096)?, first);
    assert_ne!(hash_with(4 * 4096 - 1)?, first);
    Ok(())
}

#[test]
fn the_key_has_everything_that_a_guest_depends_on() {
    let boot = |initrd: &str, parameters: &[&str]| Boot {
        initrd: PathBuf::from(initrd),
        kernel_parameters: parameters.iter().map(ToString::to_string).collect(),
        hardware: Hardware::DEFAULT,
    };
    let on_q35 = |devices: &[&str]| {
        let devices = devices.iter().map(|text| DeviceText::parse(text));
        let devices = devices.map(|device| Device(device.expect("a device")));
        let hardware = Hardware {
            machine: MachineType::Q35(devices.collect()),
            ..Hardware::DEFAULT
        };
        Boot {
            hardware,
            ..boot("base-1", &[])
        }
    };
    let of = |toolchain: &Toolchain, kernel: &KernelImage, shift, boot: &Boot| {
        key(SnapshotGuest {
            toolchain,
            kernel,
            clock: VirtualClock { shift },
            boot,
        })
    };
    let base = boot("base-1", &[]);
    let first = of(&toolchain(), &kernel("kernel"), 5, &base);
    assert_eq!(first, of(&toolchain(), &kernel("kernel"), 5, &base));
    let newer = Toolchain {
        qemu_version: "7.2.1".to_owned(),
        ..toolchain()
    };
    let elsewhere = KernelImage {
        objects: Path::new("/another/cache/kernels").join("kernel-1"),
        ..kernel("kernel")
    };
    let here = KernelImage {
        objects: Path::new("/cache/kernels").join("kernel-1"),
        ..kernel("kernel")
    };
    assert_eq!(
        of(&toolchain(), &here, 5, &boot("/cache/base-1", &[])),
        of(&toolchain(), &elsewhere, 5, &boot("/another/base-1", &[]))
    );
    let others = [
        of(&toolchain(), &kernel("kernel"), 5, &boot("base-2", &[])),
        of(
            &toolchain(),
            &kernel("kernel"),
            5,
            &boot("base-1", &["quiet"]),
        ),
        of(&toolchain(), &kernel("kernel"), 6, &base),
        of(&toolchain(), &kernel("another"), 5, &base),
        of(&newer, &kernel("kernel"), 5, &base),
        of(&toolchain(), &kernel("kernel"), 5, &on_q35(&["edu"])),
        of(&toolchain(), &kernel("kernel"), 5, &on_q35(&[])),
    ];
    for (number, other) in others.iter().enumerate() {
        assert_ne!(*other, first);
        assert!(!others[..number].contains(other));
    }
}

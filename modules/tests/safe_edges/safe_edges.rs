// SPDX-License-Identifier: GPL-2.0

//! Names, modes and errors.

use kernel::{c_str, prelude::*, str::CStr};
use kernel_ext::proc::{ProcDir, ProcEntry, ProcFile, SeqFile};

module! {
    type: Test,
    name: "safe_edges",
    authors: ["kmodlab"],
    description: "Names, modes and errors",
    license: "GPL",
}

struct Gone;

#[vtable]
impl ProcFile for Gone {
    fn show(&self, _out: &mut SeqFile) -> Result {
        Err(ERESTARTSYS)
    }
}

struct Test {
    _entries: [Option<ProcEntry<Gone>>; 8],
}

/// Makes a file with a name that ends with a NUL.
fn make(name: &[u8], mode: u16, dir: Option<&ProcDir>) -> Option<ProcEntry<Gone>> {
    let length = name.len() - 1;
    let name = CStr::from_bytes_with_nul(name).ok()?;
    let made = ProcEntry::new(name, mode, dir, Gone);
    let result = made.as_ref().map(|_| ()).map_err(|error| error.to_errno());
    pr_info!("{} bytes, mode {:o}: {:?}\n", length, mode, result);
    made.ok()
}

impl kernel::Module for Test {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let dir = ProcDir::new(c_str!("safe_edges"), None)?;
        let mut long = [b'a'; 257];
        long[255] = 0;
        let n255 = make(&long[..256], 0o444, Some(&dir));
        long[255] = b'a';
        long[256] = 0;
        let n256 = make(&long, 0o444, Some(&dir));
        let entries = [
            n255,
            n256,
            make(b"\xff\xfe\0", 0o444, Some(&dir)),
            make(b"a\nb \x01\0", 0o444, Some(&dir)),
            make(b"007\0", 0o444, None),
            make(b"99999999999999999999\0", 0o444, None),
            make(b"all\0", 0o7777, Some(&dir)),
            make(b"none\0", 0o200, Some(&dir)),
        ];
        Ok(Test { _entries: entries })
    }
}

//! The devices that a user adds to a guest: `edu`, or `edu,dma_mask=0xffffffff`.
//!
//! The text reaches QEMU's command line, and many of QEMU's devices and properties reach the host:
//! a file, a socket, a device of the host's own. So only devices and properties pass that QEMU
//! itself describes as numbers and switches ([`super::device_check`]).

use std::fmt;

use crate::text::printable;

/// Beginnings of the names of devices that hand parts of the host to the guest.
const OF_HOST: [&str; 8] = [
    "vfio-",
    "vhost-",
    "virtio-input-host",
    "usb-host",
    "u2f-",
    "xen",
    "x-pci-proxy",
    "loader",
];

/// Devices of which kmodlab's guests have their own, or by which a guest ends QEMU.
const OF_KMODLAB: [&str; 6] = [
    "isa-serial",
    "isa-debugcon",
    "isa-debug-exit",
    "virtserialport",
    "virtconsole",
    "pvpanic",
];

/// The properties that QEMU has for all devices: a name, and the bus that the device is on.
const GENERAL: [&str; 2] = ["id", "bus"];

/// A device as a user writes it: QEMU may not have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceText {
    /// Name in QEMU.
    pub(super) name: String,
    /// Properties with their values.
    pub(super) properties: Vec<(String, String)>,
}

impl DeviceText {
    /// Parses `NAME[,PROPERTY=VALUE]...`.
    ///
    /// # Errors
    ///
    /// Fails with the reason if the text has another form, or the device belongs to the host.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = text.split(',');
        let name = parts.next().unwrap_or_default();
        let is_of = |text: &str, others: &[u8]| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
        };
        let wrong = || {
            let text = printable(text);
            format!("`{text}` is not a device such as `edu` or `edu,dma_mask=0xffff`")
        };
        if !is_of(name, b"._-") {
            return Err(wrong());
        }
        if OF_HOST.iter().any(|beginning| name.starts_with(beginning)) {
            return Err(format!(
                "the device `{name}` would give the guest a part of the host"
            ));
        }
        if OF_KMODLAB.contains(&name) {
            return Err(format!(
                "the device `{name}` would disturb kmodlab's own, by which a guest reports"
            ));
        }
        let mut properties = Vec::new();
        for part in parts {
            let (key, value) = part.split_once('=').ok_or_else(wrong)?;
            if !is_of(key, b"._-") || !is_of(value, b"._-+:") {
                return Err(wrong());
            }
            properties.push((key.to_owned(), value.to_owned()));
        }
        Ok(Self {
            name: name.to_owned(),
            properties,
        })
    }

    /// Returns the properties that the device itself must have.
    pub(super) fn own_properties(&self) -> impl Iterator<Item = &str> {
        let names = self.properties.iter().map(|(key, _)| key.as_str());
        names.filter(|key| !GENERAL.contains(key))
    }

    /// Reports whether it has this property.
    pub(super) fn has(&self, property: &str) -> bool {
        self.properties.iter().any(|(key, _)| key == property)
    }
}

impl fmt::Display for DeviceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let mut properties = self.properties.iter();
        properties.try_for_each(|(key, value)| write!(f, ",{key}={value}"))
    }
}

/// A device that QEMU has, with properties that reach nothing of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device(pub(super) DeviceText);

/// Its text for QEMU's option `-device`.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_name_and_properties() {
        for text in ["edu", "edu,dma_mask=0xffff,addr=5.0", "virtio-rng-pci,id=a"] {
            let device = DeviceText::parse(text).expect(text);
            assert_eq!(device.to_string(), text);
        }
        let device = DeviceText::parse("edu,id=a,addr=5.0").expect("a device");
        assert_eq!(device.own_properties().collect::<Vec<_>>(), ["addr"]);
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "edu ",
            "edu,",
            "edu,x",
            "edu,=x",
            "edu,x=",
            "{\"driver\":\"edu\"}",
            "edu -drive",
            "edu,romfile=/etc/passwd",
            "edu,romfile=a,,b",
            "edu\n-drive",
            "-drive",
            "édu",
        ] {
            match text {
                // Letters of a name, but QEMU has no such device.
                "-drive" => assert!(DeviceText::parse(text).is_ok()),
                _ => assert!(DeviceText::parse(text).is_err(), "{text}"),
            }
        }
        for text in ["vfio-pci,host=01:00.0", "vhost-vsock-pci", "loader,addr=0"] {
            let error = DeviceText::parse(text).expect_err(text);
            assert!(error.contains("a part of the host"), "{error}");
        }
        for text in ["isa-serial,index=1", "isa-debug-exit", "virtserialport"] {
            let error = DeviceText::parse(text).expect_err(text);
            assert!(error.contains("kmodlab's own"), "{error}");
        }
        let error = DeviceText::parse("edu\u{1b}[31m").expect_err("an escape sequence");
        assert!(!error.contains('\u{1b}'), "{error}");
    }
}

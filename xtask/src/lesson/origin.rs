//! Distinguishes the kernel's own messages from those of modules by the formats that they were
//! printed with: a format of `printk` is a constant of the program that prints.
//!
//! A message does not say who printed it. Its first word is not evidence: `x: unknown
//! parameter 'y' ignored` is the kernel's, and a module may print without its name.

/// Minimum number of letters and digits that a format of the kernel has, so that a message of
/// another origin does not match it by chance.
const MIN_WEIGHT: usize = 4;

/// The same for a format that begins with a conversion. Such a format matches any first word:
/// the kernel has `%s: error %d`, and a module in Rust prints its name and any text.
const MIN_OPEN_WEIGHT: usize = 12;

/// The format of one line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Format {
    /// The texts before, between and after the conversions.
    literals: Vec<String>,
    /// Whether more text may follow: the format does not end the line.
    is_open: bool,
}

impl Format {
    /// Parses a line of a format (Documentation/core-api/printk-formats.rst).
    fn parse(text: &str, is_open: bool) -> Self {
        let mut literals = vec![String::new()];
        let mut rest = text.chars().peekable();
        while let Some(letter) = rest.next() {
            let last = literals.len() - 1;
            if letter != '%' {
                literals[last].push(letter);
                continue;
            }
            if rest.next_if_eq(&'%').is_some() {
                literals[last].push('%');
                continue;
            }
            while rest
                .next_if(|letter| letter.is_ascii_digit() || "#0- +.*hlzjtLq".contains(*letter))
                .is_some()
            {}
            if rest.next() == Some('p') {
                // The letters behind a pointer select how it is printed: `%pS`.
                while rest.next_if(char::is_ascii_alphanumeric).is_some() {}
            }
            literals.push(String::new());
        }
        Self { literals, is_open }
    }

    /// Returns the longest text that does not vary, without what is not a letter or a digit at
    /// its ends.
    fn longest_literal(&self) -> &str {
        let longest = self.literals.iter().max_by_key(|text| text.len());
        longest.map_or("", |text| text.trim_matches(|c: char| !c.is_alphanumeric()))
    }

    /// Returns the number of letters and digits that do not vary.
    fn weight(&self) -> usize {
        let letters = |text: &String| text.chars().filter(|c| c.is_alphanumeric()).count();
        self.literals.iter().map(letters).sum()
    }

    /// Reports whether the format begins with a conversion.
    fn begins_open(&self) -> bool {
        self.literals.first().is_some_and(String::is_empty)
    }

    fn matches(&self, message: &str) -> bool {
        let Some((first, others)) = self.literals.split_first() else {
            return false;
        };
        let Some(mut rest) = message.strip_prefix(first.as_str()) else {
            return false;
        };
        let Some((last, between)) = others.split_last() else {
            return self.is_open || rest.is_empty();
        };
        for literal in between {
            let Some(at) = rest.find(literal.as_str()) else {
                return false;
            };
            rest = &rest[at + literal.len()..];
        }
        match self.is_open {
            true => rest.contains(last.as_str()),
            false => rest.ends_with(last.as_str()),
        }
    }
}

/// The formats of a program.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Formats(Vec<Format>);

impl Formats {
    /// Adds the lines of a format. A format that does not end its last line may be continued.
    pub fn add(&mut self, format: &str) {
        for line in format.split_inclusive('\n') {
            let text = line.trim_end_matches('\n');
            if !text.is_empty() {
                self.0.push(Format::parse(text, text.len() == line.len()));
            }
        }
    }

    /// Returns the format that fits a message best.
    fn best(&self, message: &str, may_match: impl Fn(&Format) -> bool) -> Option<&Format> {
        let formats = self.0.iter().filter(|format| may_match(format));
        formats
            .filter(|format| format.matches(message))
            .max_by_key(|format| format.weight())
    }
}

/// The formats of the kernel and of the modules of a guest.
#[derive(Debug, Clone, Default)]
pub struct Origins {
    /// Formats of the kernel's messages at the level of a warning or worse.
    pub kernel: Formats,
    /// Formats of the kernel whose level is given elsewhere, such as those of `dev_warn`, which
    /// prints the names of a driver and a device before.
    pub kernel_devices: Formats,
    modules: Formats,
    /// The texts of the modules, one after the other.
    texts: String,
}

impl Origins {
    /// Adds a text among the constants of a module, which may be a format.
    pub fn add_of_module(&mut self, text: &str) {
        self.modules.add(text);
        self.texts.push_str(text);
        self.texts.push('\n');
    }

    /// Reports whether a module printed a message: one of its texts fits it better than each format of the kernel.
    pub fn is_modules(&self, message: &str) -> bool {
        let weight = |formats: &Formats| formats.best(message, |_| true).map(Format::weight);
        let kernel = weight(&self.kernel).max(weight(&self.kernel_devices));
        let modules = weight(&self.modules).filter(|weight| *weight >= MIN_WEIGHT);
        modules > kernel
    }

    /// Reports whether the kernel itself printed a message at the level of a warning or worse. A
    /// message that a module can have printed as well is the module's.
    pub fn is_kernels(&self, message: &str) -> bool {
        let is_heavy = |format: &Format| {
            let min = match format.begins_open() {
                true => MIN_OPEN_WEIGHT,
                false => MIN_WEIGHT,
            };
            format.weight() >= min
        };
        let is_devices =
            |format: &Format| format.weight() >= MIN_OPEN_WEIGHT && !format.begins_open();
        let of_device = after_device(message);
        let kernel = self.kernel.best(message, is_heavy);
        let kernel = kernel.or_else(|| self.kernel_devices.best(of_device?, is_devices));
        let weight_in_modules = |message| self.modules.best(message, |_| true).map(Format::weight);
        let modules = weight_in_modules(message).max(of_device.and_then(weight_in_modules));
        kernel.is_some_and(|kernel| {
            // A module in Rust has no formats, but the texts between its arguments.
            let is_in_modules = self.texts.contains(kernel.longest_literal());
            !is_in_modules && modules.is_none_or(|modules| kernel.weight() > modules)
        })
    }
}

/// Returns the text behind the names of a driver and a device: `DRIVER DEVICE: TEXT`.
fn after_device(message: &str) -> Option<&str> {
    let (names, text) = message.split_once(": ")?;
    (names.split(' ').count() == 2).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formats(all: &[&str]) -> Formats {
        let mut formats = Formats::default();
        for format in all {
            formats.add(format);
        }
        formats
    }

    fn origins(modules: &[&str]) -> Origins {
        Origins {
            kernel: formats(&[
                "%s: '%s'->init suspiciously returned %d, it should follow 0/-E convention\n%s: loading module anyway...\n",
                "%s: unknown parameter '%s' ignored\n",
                "%s: %s %ld\n",
                "%s: %pA",
                "sysfs: cannot create duplicate filename '%s'\n",
                "bad: scheduling from the idle thread!\n",
                "seq_file: buggy .next function %ps did not update position index\n",
                "kobject: %s failed for %s (error: %d parent: %s)\n",
                "100%% of %-5.2lu at %pISpc\n",
            ]),
            kernel_devices: formats(&["cannot be suspended: %d\n", "error %d\n"]),
            ..of_modules(modules)
        }
    }

    #[test]
    fn a_module_prints_its_own_texts() {
        let origins = origins(&["WARNING: low battery\n", "%s: %s %ld\n"]);
        assert!(origins.is_modules("WARNING: low battery"));
        for message in [
            "WARNING: CPU: 1 PID: 3 at x.c:3",
            "x: y 3",
            "bad: scheduling from the idle thread!",
        ] {
            assert!(!origins.is_modules(message), "{message}");
        }
    }

    fn of_modules(texts: &[&str]) -> Origins {
        let mut origins = Origins::default();
        for text in texts {
            origins.add_of_module(text);
        }
        origins
    }

    #[test]
    fn messages_of_the_kernel_are_known_by_their_formats() {
        let origins = origins(&["went well\n", "%s: hello %d\n"]);
        for message in [
            "do_init_module: 'x'->init suspiciously returned 1, it should follow 0/-E convention",
            "do_init_module: loading module anyway...",
            "x: unknown parameter 'nod' ignored",
            "sysfs: cannot create duplicate filename '/class/x'",
            "bad: scheduling from the idle thread!",
            "seq_file: buggy .next function x_next [x] did not update position index",
            "100% of 17    at [::1]:80",
            "driver x0: cannot be suspended: -5",
        ] {
            assert!(origins.is_kernels(message), "{message}");
        }
    }

    #[test]
    fn messages_of_modules_are_not_the_kernels() {
        let own = origins(&["bad: scheduling from the idle thread!\n", "x: it is %s\n"]);
        for message in [
            // The module has the same text.
            "bad: scheduling from the idle thread!",
            "x: it is unknown parameter 'nod' ignored",
            "hello",
            "x: error -5",
            // Formats of the kernel that say too little.
            "x: it failed 7",
            "x x0: error 5",
            // Not at the beginning of the line, or not the whole line.
            "x: bad: scheduling from the idle thread!",
            "sysfs: cannot create duplicate filename '/x' today",
        ] {
            assert!(!own.is_kernels(message), "{message}");
        }
        // A module that prints text from elsewhere may have printed this.
        let message = "x: unknown parameter 'nod' ignored";
        assert!(origins(&["%s\n"]).is_kernels(message));
        assert!(!origins(&["x: unknown parameter '%s' ignored"]).is_kernels(message));
        // Rust keeps the text of a message among others.
        assert!(!origins(&["lib.rsx:unknown parameterfailed"]).is_kernels(message));
        assert!(!Origins::default().is_kernels(message));
    }

    #[test]
    fn a_format_without_an_end_may_be_continued() {
        let origins = Origins {
            kernel: formats(&["Modules linked in:"]),
            ..Origins::default()
        };
        assert!(origins.is_kernels("Modules linked in: x(O)"));
    }
}

//! Functions of the kernel's headers that only return an error, or register nothing, because an option is
//! off.
//!
//! Such a module compiles, loads its code and fails, or does nothing:
//!
//! ```c
//! #ifdef CONFIG_GPIOLIB
//! int gpio_request(unsigned gpio, const char *label);
//! #else
//! static inline int gpio_request(unsigned gpio, const char *label)
//! {
//!         return -ENOSYS;
//! }
//! #endif
//! ```

use super::config::Config;

/// A function that only returns an error, or registers nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stub {
    /// Its name.
    pub name: String,
    /// Whether it returns an error, and not 0.
    pub fails: bool,
    /// The option, without `CONFIG_`, that is off.
    pub option: String,
    /// The line of the header.
    pub line: usize,
}

/// Returns the functions of a header that only return an error, or register nothing, in a kernel with this
/// configuration.
pub fn stubs_in(header: &str, config: &Config) -> Vec<Stub> {
    let mut stubs = Vec::new();
    // One for each open `#if`; none if it asks for something else.
    let mut branches: Vec<Option<Branch<'_>>> = Vec::new();
    let lines: Vec<&str> = header.lines().collect();
    for (index, line) in lines.iter().enumerate() {
        if let Some(directive) = line.trim_start().strip_prefix('#') {
            let directive = directive.trim_start();
            if directive.starts_with("if") {
                branches.push(Branch::parse(directive));
            } else if directive.starts_with("elif") {
                if let Some(branch) = branches.last_mut() {
                    *branch = None;
                }
            } else if directive.starts_with("else") {
                if let Some(branch) = branches.last_mut() {
                    *branch = branch.map(Branch::other);
                }
            } else if directive.starts_with("endif") {
                branches.pop();
            }
            continue;
        }
        let off = branches.iter().flatten().find_map(|branch| match branch {
            Branch::Off(option) if !config.has(option) => Some(*option),
            _ => None,
        });
        if let Some(option) = off
            && line.starts_with("static inline ")
            && let Some((name, fails)) = stub(&lines[index..])
        {
            stubs.push(Stub {
                name: name.to_owned(),
                fails,
                option: option.to_owned(),
                line: index + 1,
            });
        }
    }
    stubs
}

/// A branch of an `#if` that asks for one option.
#[derive(Debug, Clone, Copy)]
enum Branch<'a> {
    /// Compiled if the option is on.
    On(&'a str),
    /// Compiled if the option is off.
    Off(&'a str),
}

impl<'a> Branch<'a> {
    /// Reads a directive without its sign; none if it asks for something else.
    fn parse(directive: &'a str) -> Option<Self> {
        let text = directive.split("/*").next().unwrap_or_default().trim();
        let option = |text: &'a str| {
            let name = text.trim().strip_prefix("CONFIG_")?;
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            (!name.is_empty() && name.bytes().all(is_name)).then_some(name)
        };
        if let Some(name) = text.strip_prefix("ifdef ").and_then(option) {
            return Some(Self::On(name));
        }
        if let Some(name) = text.strip_prefix("ifndef ").and_then(option) {
            return Some(Self::Off(name));
        }
        let asked = text.strip_prefix("if ")?.trim();
        let (is_on, asked) = match asked.strip_prefix('!') {
            Some(asked) => (false, asked.trim()),
            None => (true, asked),
        };
        let name = ["IS_ENABLED", "IS_REACHABLE", "IS_BUILTIN", "defined"]
            .iter()
            .find_map(|word| asked.strip_prefix(word))?
            .trim();
        let name = match name.strip_prefix('(') {
            Some(name) => name.strip_suffix(')')?,
            None => name,
        };
        option(name).map(|name| match is_on {
            true => Self::On(name),
            false => Self::Off(name),
        })
    }

    /// Returns the branch after `#else`.
    fn other(self) -> Self {
        match self {
            Self::On(name) => Self::Off(name),
            Self::Off(name) => Self::On(name),
        }
    }
}

/// Returns the name of the function at the beginning of these lines, and whether it fails, if its body has
/// an error, or if it registers something by its name and only returns 0.
fn stub<'a>(lines: &[&'a str]) -> Option<(&'a str, bool)> {
    let name = lines.iter().take(3).find_map(|line| {
        let (before, _) = line.split_once('(')?;
        before.split([' ', '\t', '*']).next_back()
    })?;
    let open = lines.iter().take(8).position(|line| line.contains('{'))?;
    let last = |line: &&str| line.starts_with('}') || line.trim_end().ends_with('}');
    let close = open + lines[open..].iter().take(8).position(last)?;
    let is_error = |line: &&str| {
        let mut parts = line.split("-E").skip(1);
        parts.any(|rest| rest.starts_with(|letter: char| letter.is_ascii_uppercase()))
    };
    let body = &lines[open..=close];
    if body.iter().any(is_error) {
        return Some((name, true));
    }
    let text = body.concat();
    let (_, text) = text.split_once('{')?;
    let is_empty = text.replace(char::is_whitespace, "") == "return0;}";
    let registers = name.contains("register") && !name.contains("unregister");
    (is_empty && registers).then_some((name, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "\
#ifndef _LINUX_PIN_H
#define _LINUX_PIN_H
#if defined(CONFIG_DEBUG_FS)
struct dentry *fs_dir(const char *name);
#else
static inline struct dentry *fs_dir(const char *name,
\t\t\t\t    struct dentry *parent)
{
\treturn ERR_PTR(-ENODEV);
}
static inline void fs_remove(struct dentry *dentry) { }
#endif
#ifdef CONFIG_PINS
static inline int pin_on(int pin)
{
\treturn pin < 0 ? -EINVAL : real_pin_on(pin);
}
#else /* ! CONFIG_PINS */
static inline int pin_get(void) { return -ENOSYS; }
static inline int pin_driver_register(struct pin_driver *driver,
\t\t\t\t      struct module *owner)
{ return 0; }
static inline int pin_register_count(void) { return 0 + 1; }
static inline int pin_count(void) { return 0; }
static inline bool pin_is_valid(int pin)
{
\treturn false;
}
#endif
#if !IS_ENABLED(CONFIG_BUS)
static inline int bus_add(void)
{
\treturn -EOPNOTSUPP;
}
#endif
#if defined(CONFIG_A) || defined(CONFIG_B)
#else
static inline int either(void) { return -ENOSYS; }
#endif
#endif
";

    #[test]
    fn functions_that_only_fail_or_register_nothing_are_found() -> anyhow::Result<()> {
        let stubs = stubs_in(HEADER, &Config::parse("# CONFIG_PINS is not set\n")?);
        let found: Vec<_> = stubs
            .iter()
            .map(|stub| (&*stub.name, stub.fails, &*stub.option, stub.line))
            .collect();
        let expected = [
            ("fs_dir", true, "DEBUG_FS", 6),
            ("pin_get", true, "PINS", 19),
            ("pin_driver_register", false, "PINS", 20),
            ("bus_add", true, "BUS", 31),
        ];
        assert_eq!(found, expected);
        let all = "CONFIG_PINS=y\nCONFIG_BUS=m\nCONFIG_DEBUG_FS=y\n";
        assert_eq!(stubs_in(HEADER, &Config::parse(all)?), []);
        Ok(())
    }
}

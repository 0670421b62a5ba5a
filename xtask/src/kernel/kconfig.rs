//! Dependencies of options, read from a kernel's Kconfig files.
//!
//! They only explain kconfig's decisions in messages. Therefore the files are read as text, and
//! the conditions of the `if`s and menus around an option count as its dependencies.

use std::collections::BTreeMap;
use std::path::Path;

use crate::key::files_below;

/// The options of a kernel, each with its dependencies.
#[derive(Debug, Default)]
pub struct KconfigOptions(BTreeMap<String, Vec<String>>);

impl KconfigOptions {
    /// Reads every Kconfig file below `tree` that x86 uses. A file that cannot be read counts as
    /// missing.
    pub fn read(tree: &Path) -> Self {
        let mut options = Self::default();
        for path in files_below(tree).unwrap_or_default() {
            let relative = path.strip_prefix(tree).unwrap_or(&path);
            let kconfig = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("Kconfig"));
            let foreign = relative.starts_with("arch")
                && !relative.starts_with("arch/x86")
                && relative != Path::new("arch/Kconfig");
            if kconfig && !foreign {
                options.parse(&std::fs::read_to_string(&path).unwrap_or_default());
            }
        }
        options
    }

    /// Returns the conditions that must all hold for the option `name` (without `CONFIG_`);
    /// `None` if the kernel does not have the option.
    pub fn dependencies(&self, name: &str) -> Option<&[String]> {
        self.0.get(name).map(Vec::as_slice)
    }

    fn parse(&mut self, text: &str) {
        // Conditions of the `if`s, menus and choices around the current line.
        let mut around: Vec<Vec<String>> = Vec::new();
        let mut option: Option<String> = None;
        let mut in_help = false;
        for line in text.replace("\\\n", " ").lines() {
            let indented = line.starts_with([' ', '\t']);
            let words = line.split('#').next().unwrap_or_default().trim();
            let (keyword, rest) = words.split_once([' ', '\t']).unwrap_or((words, ""));
            if indented && in_help {
                continue;
            }
            in_help = keyword == "help" && rest.is_empty();
            match keyword {
                "config" | "menuconfig" => {
                    let known = self.0.entry(rest.to_owned()).or_default();
                    for condition in around.iter().flatten() {
                        if !known.contains(condition) {
                            known.push(condition.clone());
                        }
                    }
                    option = Some(rest.to_owned());
                }
                "if" => around.push(vec![rest.to_owned()]),
                "menu" | "choice" => {
                    around.push(Vec::new());
                    option = None;
                }
                "endif" | "endmenu" | "endchoice" => {
                    around.pop();
                    option = None;
                }
                "depends" => {
                    let condition = rest.trim_start_matches("on").trim().to_owned();
                    let list = match &option {
                        Some(name) => self.0.get_mut(name),
                        None => around.last_mut(),
                    };
                    if let Some(list) = list.filter(|list| !list.contains(&condition)) {
                        list.push(condition);
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_around_an_option_count() {
        let mut options = KconfigOptions::default();
        options.parse(
            "menu \"Debugging\"\n\tdepends on DEBUG\nif X86\nconfig A\n\tbool \"a\"\n\tdepends on \
             B && !C\n\thelp\n\t  depends on nothing, this is help\nendif\nconfig D\n\tbool\nendmenu\n\
             config E\n\tbool\n",
        );
        let of = |name| options.dependencies(name).map(<[String]>::to_vec);
        assert_eq!(
            of("A"),
            Some(vec!["DEBUG".into(), "X86".into(), "B && !C".into()])
        );
        assert_eq!(of("D"), Some(vec!["DEBUG".into()]));
        assert_eq!(of("E"), Some(vec![]));
        assert_eq!(of("F"), None);
    }
}

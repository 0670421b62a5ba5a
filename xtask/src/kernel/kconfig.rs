//! Dependencies of options, read from a kernel's Kconfig files.
//!
//! They only explain kconfig's decisions in messages. Therefore the files are read as text, and
//! the conditions of the `if`s and menus around an option count as its dependencies.

mod condition;

use std::collections::BTreeMap;
use std::path::Path;

use super::config::Config;

/// The options of a kernel, by name.
#[derive(Debug, Default)]
pub struct KconfigOptions(BTreeMap<String, KconfigOption>);

/// An option of a kernel.
#[derive(Debug, Default)]
struct KconfigOption {
    /// The conditions that must all hold.
    dependencies: Vec<String>,
    /// Whether a user can set it; without a prompt, other options select it.
    has_prompt: bool,
    /// The options that select it under no condition, each once.
    selected_by: Vec<String>,
}

impl KconfigOptions {
    /// Reads the tree's Kconfig files, as x86 includes them. A file that cannot be read counts as
    /// empty.
    pub fn read(tree: &Path) -> Self {
        let mut options = Self::default();
        options.parse_file(tree, "Kconfig", &mut Vec::new());
        options
    }

    fn parse_file(&mut self, tree: &Path, name: &str, around: &mut Vec<Vec<String>>) {
        let name = name.replace("$(SRCARCH)", "x86").replace("$SRCARCH", "x86");
        let text = std::fs::read_to_string(tree.join(name)).unwrap_or_default();
        let depth = around.len();
        self.parse(tree, &text, around);
        around.truncate(depth);
    }

    /// Reports whether the kernel has the option `name` (without `CONFIG_`).
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the options whose names are nearest to `name`: at most `most` that differ in few
    /// letters, or contain it.
    pub fn nearest(&self, name: &str, most: usize) -> Vec<&str> {
        let name = name.to_ascii_uppercase();
        let few = name.len().div_ceil(4);
        let mut near: Vec<(usize, &str)> = self
            .0
            .keys()
            .filter_map(|known| {
                let distance = strsim::damerau_levenshtein(&name, known);
                let is_part = name.len() > 3 && known.contains(&name);
                (distance <= few || is_part).then_some((distance, known.as_str()))
            })
            .collect();
        near.sort_unstable();
        near.into_iter()
            .take(most)
            .map(|(_, known)| known)
            .collect()
    }

    /// Returns options that a user can set and that turn on the option `name`, at most `most`: itself, or if it has
    /// no prompt, options that select it, directly or through others.
    pub fn settable(&self, name: &str, most: usize) -> Vec<&str> {
        let Some((name, option)) = self.0.get_key_value(name) else {
            return Vec::new();
        };
        if option.has_prompt {
            return vec![name];
        }
        let mut settable = Vec::new();
        let mut seen = vec![name.as_str()];
        let mut next = 0;
        while let Some(option) = seen.get(next).and_then(|name| self.0.get(*name)) {
            for selector in &option.selected_by {
                if seen.contains(&selector.as_str()) {
                    continue;
                }
                seen.push(selector);
                let has_prompt = self.0.get(selector).is_some_and(|option| option.has_prompt);
                if has_prompt {
                    settable.push(selector.as_str());
                }
            }
            next += 1;
        }
        // Those of the same part of the kernel, and the plainest of them.
        let part = name.split('_').next().unwrap_or_default();
        settable.sort_by_key(|name| (!name.starts_with(part), name.len(), *name));
        settable.truncate(most);
        settable
    }

    /// Returns the reason, in words, for which kconfig may have dropped the option `name` from a
    /// configuration that became `full`.
    pub fn why_dropped(&self, name: &str, full: &Config) -> String {
        let Some(KconfigOption {
            dependencies,
            has_prompt,
            ..
        }) = self.0.get(name)
        else {
            return "this kernel does not have the option".to_owned();
        };
        let unmet: Vec<String> = dependencies
            .iter()
            .flat_map(|dependency| condition::unmet(dependency, full))
            .collect();
        let depends = || format!("it depends on {}", dependencies.join(" && "));
        match (&dependencies[..], &unmet[..]) {
            (_, []) if !has_prompt => "only other options select it".to_owned(),
            ([], _) => "another option selects or excludes it".to_owned(),
            (_, []) => depends(),
            (_, unmet) => format!("{}: {}", depends(), unmet.join(", ")),
        }
    }

    /// Reads the text of a file; `around` has the conditions of the `if`s, menus and choices around
    /// it.
    fn parse(&mut self, tree: &Path, text: &str, around: &mut Vec<Vec<String>>) {
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
                        if !known.dependencies.contains(condition) {
                            known.dependencies.push(condition.clone());
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
                        Some(name) => self.0.get_mut(name).map(|known| &mut known.dependencies),
                        None => around.last_mut(),
                    };
                    if let Some(list) = list.filter(|list| !list.contains(&condition)) {
                        list.push(condition);
                    }
                }
                "bool" | "tristate" | "string" | "int" | "hex" | "prompt"
                    if rest.starts_with(['"', '\'']) =>
                {
                    if let Some(known) = option.as_ref().and_then(|name| self.0.get_mut(name)) {
                        known.has_prompt = true;
                    }
                }
                "select" => {
                    let selected = rest.split_whitespace().next().unwrap_or_default();
                    let always = !rest.contains(" if ");
                    if let Some(name) = option.as_ref().filter(|_| always) {
                        let selectors =
                            &mut self.0.entry(selected.to_owned()).or_default().selected_by;
                        if !selectors.contains(name) {
                            selectors.push(name.clone());
                        }
                    }
                }
                "source" => {
                    self.parse_file(tree, rest.trim_matches('"'), around);
                    option = None;
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
            Path::new(""),
            "menu \"Debugging\"\n\tdepends on DEBUG\nif X86\nconfig A\n\tbool \"a\"\n\tdepends on \
             B && !C\n\thelp\n\t  depends on nothing, this is help\nendif\nconfig D\n\tbool\nendmenu\n\
             config E\n\tbool\n",
            &mut Vec::new(),
        );
        let of = |name| {
            options
                .0
                .get(name)
                .map(|option| option.dependencies.clone())
        };
        assert_eq!(
            of("A"),
            Some(vec!["DEBUG".into(), "X86".into(), "B && !C".into()])
        );
        assert_eq!(of("D"), Some(vec!["DEBUG".into()]));
        assert_eq!(of("E"), Some(vec![]));
        assert_eq!(of("F"), None);
        assert!(options.0["A"].has_prompt && !options.0["D"].has_prompt);
    }

    #[test]
    fn an_option_without_a_prompt_is_turned_on_by_others() {
        let mut options = KconfigOptions::default();
        options.parse(
            Path::new(""),
            "config HASH2\n\ttristate\nconfig HASH\n\ttristate\n\tselect HASH2\nconfig SHA\n\ttristate \"SHA\"\n\
             \tselect HASH\nconfig PERHAPS\n\tbool \"x\"\n\tselect HASH if X\nconfig MD\n\tbool \"MD\"\n\tselect HASH\nconfig LONE\n\tbool\n",
            &mut Vec::new(),
        );
        assert_eq!(options.settable("HASH2", 3), ["MD", "SHA"]);
        assert_eq!(options.settable("HASH2", 1), ["MD"]);
        assert_eq!(options.settable("SHA", 3), ["SHA"]);
        assert_eq!(options.settable("LONE", 3), [""; 0]);
        assert_eq!(options.settable("NONE", 3), [""; 0]);
    }

    #[test]
    fn a_dropped_option_is_explained() -> anyhow::Result<()> {
        let mut options = KconfigOptions::default();
        options.parse(
            Path::new(""),
            "config A\n\tbool \"a\"\n\tdepends on B || C\nconfig HIDDEN\n\tbool\n\
             config FREE\n\tbool \"free\"\nconfig HZ\n\tint \"hz\"\n\tdepends on B\n",
            &mut Vec::new(),
        );
        let full = Config::parse("CONFIG_B=y\n")?;
        let off = Config::default();
        let why = |name, config| options.why_dropped(name, config);
        assert_eq!(why("A", &off), "it depends on B || C: B is off, C is off");
        assert_eq!(why("HZ", &full), "it depends on B");
        assert_eq!(why("HIDDEN", &full), "only other options select it");
        assert_eq!(why("FREE", &full), "another option selects or excludes it");
        assert_eq!(why("NONE", &full), "this kernel does not have the option");
        Ok(())
    }

    #[test]
    fn the_conditions_around_a_file_count() -> anyhow::Result<()> {
        let tree = tempfile::tempdir()?;
        std::fs::create_dir_all(tree.path().join("arch/x86"))?;
        let write = |name: &str, text: &str| std::fs::write(tree.path().join(name), text);
        write(
            "Kconfig",
            "if USB\nsource \"arch/$(SRCARCH)/Kconfig\"\nendif\nconfig B\n",
        )?;
        write("arch/x86/Kconfig", "if OPEN\nconfig A\n\tbool \"a\"\n")?;
        let options = KconfigOptions::read(tree.path());
        assert_eq!(options.0["A"].dependencies, ["USB", "OPEN"]);
        assert_eq!(options.0["B"].dependencies, [""; 0]);
        Ok(())
    }

    #[test]
    fn near_names_are_suggested() {
        let mut options = KconfigOptions::default();
        let text = "config DEBUG_FS\nconfig DEBUG_FS_ALLOW_ALL\nconfig NET\nconfig USB\n";
        options.parse(Path::new(""), text, &mut Vec::new());
        assert_eq!(options.nearest("debugfs", 3), ["DEBUG_FS"]);
        assert_eq!(
            options.nearest("DEBUG_FS", 3),
            ["DEBUG_FS", "DEBUG_FS_ALLOW_ALL"]
        );
        assert_eq!(options.nearest("QUITE_ANOTHER", 3), [""; 0]);
    }
}

//! The lines of kbuild's output: those of make, of kbuild, of modpost and of the compilers.

/// Reports whether a line is make's own: `make[3]: *** …`.
pub(super) fn is_make(line: &str) -> bool {
    line.starts_with("make: ") || line.starts_with("make[")
}

/// Reports whether a line is kbuild's name of a command: `  CC [M]  x.o`.
pub(super) fn is_kbuild(line: &str) -> bool {
    let word = line
        .strip_prefix("  ")
        .and_then(|rest| rest.split(' ').next());
    word.is_some_and(|word| {
        let is_capital = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
        word.len() > 1 && word.bytes().all(is_capital)
    })
}

/// Reports whether a line of kbuild's output is a compiler's.
pub(super) fn is_compilers(line: &str) -> bool {
    !is_make(line) && !is_kbuild(line)
}

/// Returns the target that failed, and how its tool ended.
pub(super) fn failed_target(line: &str) -> Option<(&str, &str)> {
    let (_, rest) = line.split_once(": *** [")?;
    let (target, end) = rest.rsplit_once("] ")?;
    let (_, target) = target.rsplit_once(": ").unwrap_or(("", target));
    Some((target, end))
}

/// Returns the target that make has no rule for.
pub(super) fn target_without_rule(line: &str) -> Option<&str> {
    let (_, rest) = line.split_once("*** No rule to make target '")?;
    rest.split('\'').next()
}

/// Returns the symbol that a line of modpost reports as undefined: `"x" [own.ko] undefined!`, or in
/// Linux 7.3 `own.ko: symbol 'x' undefined!`.
pub(super) fn undefined_symbol(line: &str) -> Option<String> {
    let error = line.strip_prefix("ERROR: modpost: ")?;
    let symbol = error.strip_suffix(" undefined!")?;
    let symbol = symbol.split(['"', '\'']).nth(1)?;
    Some(symbol.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undefined_symbols_of_all_kernels_are_read() {
        for line in [
            "ERROR: modpost: \"nowhere\" [/w/own.ko] undefined!",
            "ERROR: modpost: own.ko: symbol 'nowhere' undefined!",
        ] {
            assert_eq!(undefined_symbol(line).as_deref(), Some("nowhere"), "{line}");
        }
        assert_eq!(
            undefined_symbol("ERROR: modpost: missing MODULE_LICENSE()"),
            None
        );
    }
}

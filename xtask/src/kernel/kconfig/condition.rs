//! Conditions of Kconfig: `A && (B || !C)`, `X = y`, `NR >= 4`.
//! (Documentation/kbuild/kconfig-language.rst, "Menu dependencies".)

use crate::kernel::config::Config;

/// A condition, as far as the explanation of a dropped option needs it: `m` counts as `y`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Condition {
    Option(String),
    /// A comparison, or a call of a macro, whose value is not computed.
    Other,
    Not(Box<Condition>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
}

/// Returns the reasons for which a condition does not hold in a configuration, each in words
/// (`NET is off`); none if the condition holds or cannot be understood.
pub(super) fn unmet(condition: &str, config: &Config) -> Vec<String> {
    let mut tokens = tokens(condition).into_iter().peekable();
    let mut reasons = Vec::new();
    if let Some(parsed) = or(&mut tokens) {
        parsed.explain(config, true, &mut reasons);
    }
    reasons
}

impl Condition {
    /// Reports whether the condition holds; `None` if that is not known.
    fn holds(&self, config: &Config) -> Option<bool> {
        match self {
            Self::Option(name) if name == "y" || name == "m" => Some(true),
            Self::Option(name) => Some(config.has(name)),
            Self::Other => None,
            Self::Not(inner) => Some(!inner.holds(config)?),
            Self::And(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| part.holds(config)).collect();
                match parts.contains(&Some(false)) {
                    true => Some(false),
                    false => (!parts.contains(&None)).then_some(true),
                }
            }
            Self::Or(parts) => {
                let parts: Vec<_> = parts.iter().map(|part| part.holds(config)).collect();
                match parts.contains(&Some(true)) {
                    true => Some(true),
                    false => (!parts.contains(&None)).then_some(false),
                }
            }
        }
    }

    /// Adds the options because of which the condition is not as it is `wanted`.
    fn explain(&self, config: &Config, wanted: bool, reasons: &mut Vec<String>) {
        if self.holds(config) != Some(!wanted) {
            return;
        }
        match self {
            Self::Option(name) => {
                let reason = format!("{name} is {}", if wanted { "off" } else { "on" });
                if !reasons.contains(&reason) {
                    reasons.push(reason);
                }
            }
            Self::Other => {}
            Self::Not(inner) => inner.explain(config, !wanted, reasons),
            Self::And(parts) | Self::Or(parts) => {
                for part in parts {
                    part.explain(config, wanted, reasons);
                }
            }
        }
    }
}

type Tokens = std::iter::Peekable<std::vec::IntoIter<String>>;

fn tokens(text: &str) -> Vec<String> {
    const SIGNS: [&str; 10] = ["&&", "||", "!=", "<=", ">=", "!", "=", "<", ">", "("];
    let mut tokens = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let sign = SIGNS.into_iter().chain([")"]);
        let sign = sign.into_iter().find(|sign| rest.starts_with(sign));
        let length = match sign {
            Some(sign) => sign.len(),
            None if rest.starts_with("$(") => rest.find(')').map_or(rest.len(), |end| end + 1),
            None => {
                let is_end = |letter: char| letter.is_whitespace() || "&|!=<>()".contains(letter);
                rest.find(is_end).unwrap_or(rest.len()).max(1)
            }
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after.trim_start();
    }
    tokens
}

fn or(tokens: &mut Tokens) -> Option<Condition> {
    let mut parts = vec![and(tokens)?];
    while tokens.next_if(|token| token == "||").is_some() {
        parts.push(and(tokens)?);
    }
    Some(match parts.len() {
        1 => parts.remove(0),
        _ => Condition::Or(parts),
    })
}

fn and(tokens: &mut Tokens) -> Option<Condition> {
    let mut parts = vec![not(tokens)?];
    while tokens.next_if(|token| token == "&&").is_some() {
        parts.push(not(tokens)?);
    }
    Some(match parts.len() {
        1 => parts.remove(0),
        _ => Condition::And(parts),
    })
}

fn not(tokens: &mut Tokens) -> Option<Condition> {
    let token = tokens.next()?;
    let condition = match token.as_str() {
        "!" => return Some(Condition::Not(Box::new(not(tokens)?))),
        "(" => {
            let inner = or(tokens)?;
            tokens.next_if(|token| token == ")")?;
            inner
        }
        macro_call if macro_call.starts_with("$(") => Condition::Other,
        _ => Condition::Option(token),
    };
    let compares = |token: &String| ["=", "!=", "<", ">", "<=", ">="].contains(&token.as_str());
    let Some(sign) = tokens.next_if(compares) else {
        return Some(condition);
    };
    let value = tokens.next()?;
    Some(match (sign.as_str(), value.as_str()) {
        ("=", "y" | "m") | ("!=", "n") => condition,
        ("=", "n") => Condition::Not(Box::new(condition)),
        _ => Condition::Other,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_options_because_of_which_a_condition_fails_are_named() -> anyhow::Result<()> {
        let config = Config::parse("CONFIG_A=y\nCONFIG_N=8\n# CONFIG_B is not set\n")?;
        for (condition, expected) in [
            ("A", &[][..]),
            ("B", &["B is off"]),
            ("!A", &["A is on"]),
            ("A && B && C", &["B is off", "C is off"]),
            ("B || A", &[]),
            ("B || (C && A)", &["B is off", "C is off"]),
            ("!(A || B)", &["A is on"]),
            ("B=y || C!=n", &["B is off", "C is off"]),
            ("A=n", &["A is on"]),
            ("N >= 4 && B", &["B is off"]),
            ("$(cc-option,-x) && B", &["B is off"]),
            ("$(success,test) || B", &[]),
            ("A &&", &[]),
            ("", &[]),
        ] {
            assert_eq!(unmet(condition, &config), expected, "{condition}");
        }
        Ok(())
    }
}

//! Figures: what is measured, how often, and what it should come to.

mod figures;
mod measure;

use serde::Serialize;

pub use figures::{Bench, all};

/// One figure, measured several times.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Its name.
    pub name: &'static str,
    /// Its unit: `s`, `CPU s`, `ratio`, `bytes`.
    pub unit: &'static str,
    /// What it must be for a two-core machine under TCG, if anything.
    pub aim: Option<Aim>,
    /// Each run's value.
    pub values: Vec<f64>,
}

/// The bound of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aim {
    /// The median must not be more.
    AtMost(f64),
    /// The median must not be less.
    AtLeast(f64),
}

impl Figure {
    /// The value in the middle; of an even number of values the higher of the
    /// two there.
    pub fn median(&self) -> f64 {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    }

    fn extremes(&self) -> (f64, f64) {
        let fold = |f: fn(f64, f64) -> f64| self.values.iter().copied().fold(f64::NAN, f);
        (fold(f64::min), fold(f64::max))
    }

    /// Whether the median is within the aim; `None` without one.
    pub fn reached(&self) -> Option<bool> {
        self.aim.map(|aim| match aim {
            Aim::AtMost(bound) => self.median() <= bound,
            Aim::AtLeast(bound) => self.median() >= bound,
        })
    }
}

/// The figures as a table for people.
pub fn table(figures: &[Figure]) -> String {
    let mut text = format!(
        "{:<44} {:>9} {:>9} {:>9} {:>4}  aim\n",
        "figure", "median", "min", "max", "runs"
    );
    for figure in figures {
        let show = |value: f64| match figure.unit {
            "bytes" => format!("{value:.0}"),
            _ if value.abs() < 10.0 => format!("{value:.3}"),
            _ => format!("{value:.1}"),
        };
        let (min, max) = figure.extremes();
        let aim = match (figure.aim, figure.reached()) {
            (Some(Aim::AtMost(bound)), Some(reached)) => format!("<= {bound} {}", word(reached)),
            (Some(Aim::AtLeast(bound)), Some(reached)) => format!(">= {bound} {}", word(reached)),
            _ => String::new(),
        };
        let name = format!("{} ({})", figure.name, figure.unit);
        let line = format!(
            "{name:<44} {:>9} {:>9} {:>9} {:>4}  {aim}",
            show(figure.median()),
            show(min),
            show(max),
            figure.values.len(),
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn word(reached: bool) -> &'static str {
    if reached { "reached" } else { "missed" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(values: &[f64], aim: Aim) -> Figure {
        Figure {
            name: "x",
            unit: "s",
            aim: Some(aim),
            values: values.to_vec(),
        }
    }

    #[test]
    fn the_median_decides() {
        assert_eq!(
            figure(&[3.0, 1.0, 9.0], Aim::AtMost(3.0)).reached(),
            Some(true)
        );
        assert_eq!(
            figure(&[3.0, 1.0, 9.0], Aim::AtMost(2.9)).reached(),
            Some(false)
        );
        assert_eq!(
            figure(&[3.0, 1.0, 9.0], Aim::AtLeast(3.1)).reached(),
            Some(false)
        );
    }

    #[test]
    fn a_figure_that_was_never_measured_reaches_nothing() {
        assert_eq!(figure(&[], Aim::AtMost(1.0)).reached(), Some(false));
        assert_eq!(figure(&[], Aim::AtLeast(1.0)).reached(), Some(false));
    }
}

//! The figures that were taken, their aims, and a table of them.

use std::fmt;

use serde::Serialize;

use crate::languages::{self, Comparison};
use crate::races::{self, RaceComparison};

/// All results.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Results {
    /// Durations and sizes.
    pub figures: Vec<Figure>,
    /// Rust and C side by side.
    pub languages: Vec<Comparison>,
    /// Schedules of the races, aimed and random.
    pub races: Vec<RaceComparison>,
}

impl Results {
    /// Returns true if a figure misses its aim.
    pub fn missed(&self) -> bool {
        let missed = |figure: &Figure| figure.reached() == Some(false);
        let races = self.races.iter().any(|one| !one.reached);
        self.figures.iter().any(missed)
            || self.languages.iter().any(|one| !one.reached)
            || races
            || !self.races.is_empty() && !races::all_reached(&self.races)
    }

    /// Returns the results as tables for people, without empty tables.
    pub fn tables(&self) -> String {
        let mut tables = Vec::new();
        if !self.figures.is_empty() {
            tables.push(table(&self.figures));
        }
        if !self.languages.is_empty() {
            tables.push(languages::table(&self.languages));
        }
        if !self.races.is_empty() {
            tables.push(races::table(&self.races));
        }
        tables.join("\n")
    }
}

/// One figure, measured several times.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// Name of the figure.
    pub name: &'static str,
    /// Unit: `s`, `ms`, `CPU s`, `ratio`, `bytes`, `MiB`, `lines`, or the noun that
    /// is counted.
    pub unit: &'static str,
    /// Bound on a two-core host under TCG, if there is one.
    pub aim: Option<Aim>,
    /// Value of each run.
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

impl Aim {
    pub fn holds(self, value: f64) -> bool {
        match self {
            Aim::AtMost(bound) => value <= bound,
            Aim::AtLeast(bound) => value >= bound,
        }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Aim::AtMost(bound) => write!(f, "<= {bound}"),
            Aim::AtLeast(bound) => write!(f, ">= {bound}"),
        }
    }
}

impl Figure {
    /// Returns the median of the values.
    pub fn median(&self) -> f64 {
        median(self.values.clone())
    }

    fn extremes(&self) -> (f64, f64) {
        let fold = |f: fn(f64, f64) -> f64| self.values.iter().copied().fold(f64::NAN, f);
        (fold(f64::min), fold(f64::max))
    }

    /// Returns true if the median is within the aim; `None` without an aim.
    pub fn reached(&self) -> Option<bool> {
        self.aim.map(|aim| aim.holds(self.median()))
    }
}

/// Returns the median; of an even number of values the higher of the middle two, and
/// NaN of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Returns the figures as a table for people.
fn table(figures: &[Figure]) -> String {
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
        let aim = figure.aim.zip(figure.reached());
        let aim = aim.map_or_else(String::new, |(aim, reached)| {
            format!("{aim} {}", word(reached))
        });
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

pub fn word(reached: bool) -> &'static str {
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
    fn a_figure_without_values_misses_its_aim() {
        assert_eq!(figure(&[], Aim::AtMost(1.0)).reached(), Some(false));
        assert_eq!(figure(&[], Aim::AtLeast(1.0)).reached(), Some(false));
    }
}

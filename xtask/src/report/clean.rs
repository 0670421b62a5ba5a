//! The races that clean schedules may have missed, for a person.

use std::io::{self, Write};

use super::CleanSchedules;
use crate::schedule::miss::LONG_ENOUGH;

/// Writes the bounds of one test case.
pub(super) fn print(out: &mut dyn Write, clean: &CleanSchedules) -> io::Result<()> {
    let (lesson, language) = (&clean.lesson, clean.language);
    let (schedules, random) = (clean.schedules, clean.random);
    let length = f64::from(LONG_ENOUGH) / 1e6;
    let one = percent(clean.missed_with_one_delay());
    write!(
        out,
        "{lesson} ({language}): {random} of {schedules} clean schedules are random; they miss a race that \
         one delay of {length} ms shows with a probability of at most {one}"
    )?;
    if let Some(two) = clean.missed_with_two_delays() {
        write!(out, ", and two delays {}", percent(two))?;
    }
    writeln!(out)
}

/// Formats a probability, rounded up: a bound stays one.
fn percent(probability: f64) -> String {
    let permille = (probability * 1000.0).ceil();
    format!("{:.1} %", permille / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::Language;
    use crate::schedule::miss::RaceProbability;

    #[test]
    fn the_bounds_of_a_test_case_are_one_line() {
        let clean = CleanSchedules {
            lesson: "x".to_owned(),
            language: Language::C,
            schedules: 100,
            random: 25,
            probability: RaceProbability {
                one_delay: 0.1,
                two_delays: Some(0.001),
            },
        };
        let mut out = Vec::new();
        assert!(print(&mut out, &clean).is_ok());
        let expected = "x (c): 25 of 100 clean schedules are random; they miss a race that one delay of \
                        0.5 ms shows with a probability of at most 7.2 %, and two delays 97.6 %\n";
        assert_eq!(String::from_utf8_lossy(&out), expected);
        assert_eq!(percent(0.001_01), "0.2 %");
        assert_eq!(percent(1.0), "100.0 %");
    }
}

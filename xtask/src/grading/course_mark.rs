//! Points in a course: an exercise's parts, scaled to the points that the exercise counts there.

use std::fmt;
use std::iter::Sum;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Points in a course, in hundredths. In JSON the points are a number: `12.5`, or `10` without a fraction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct CourseMark {
    hundredths: u64,
}

impl CourseMark {
    /// Scales the points of an exercise's parts to `course_points`, in hundredths. The sum is exact: of parts
    /// with the same points, one may have a hundredth more than another.
    pub fn scale(parts: &[u32], course_points: u32) -> Vec<Self> {
        let total: u64 = parts.iter().copied().map(u64::from).sum();
        let (mut points, mut before) = (0, 0);
        let scaled = parts.iter().map(|&part| {
            points += u64::from(part);
            let until = rounded_share(points, total, course_points);
            let hundredths = until - before;
            before = until;
            Self { hundredths }
        });
        scaled.collect()
    }

    /// Returns the mark in hundredths of a point.
    pub fn hundredths(self) -> u64 {
        self.hundredths
    }

    /// Returns the mark if it has no fraction.
    pub fn whole(self) -> Option<u64> {
        self.hundredths
            .is_multiple_of(100)
            .then_some(self.hundredths / 100)
    }

    /// Reads a mark as [`Display`](fmt::Display) writes it.
    fn parse(text: &str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let is_short = fraction.len() <= 2 && fraction.bytes().all(|byte| byte.is_ascii_digit());
        let whole: u64 = whole.parse().ok()?;
        let fraction: u64 = is_short.then(|| format!("{fraction:0<2}"))?.parse().ok()?;
        let hundredths = whole.checked_mul(100)?.checked_add(fraction)?;
        Some(Self { hundredths })
    }
}

/// Returns `points` of `total` as a share of `course_points`, in hundredths, rounded to the nearest.
fn rounded_share(points: u64, total: u64, course_points: u32) -> u64 {
    let total = u128::from(total).max(1);
    let share = u128::from(points) * u128::from(course_points) * 100;
    u64::try_from((share + total / 2) / total).unwrap_or(u64::MAX)
}

impl Sum for CourseMark {
    fn sum<I: Iterator<Item = Self>>(marks: I) -> Self {
        Self {
            hundredths: marks.map(|mark| mark.hundredths).sum(),
        }
    }
}

/// A decimal number without needless zeros.
impl fmt::Display for CourseMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:02}", self.hundredths / 100, self.hundredths % 100);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

impl Serialize for CourseMark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let number: Result<serde_json::Number, _> = self.to_string().parse();
        number
            .map_err(serde::ser::Error::custom)?
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CourseMark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = serde_json::Number::deserialize(deserializer)?;
        let mark = Self::parse(&number.to_string());
        mark.ok_or_else(|| serde::de::Error::custom(format!("{number} is not a mark")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(parts: &[u32], course_points: u32) -> Vec<String> {
        let scaled = CourseMark::scale(parts, course_points).into_iter();
        scaled.map(|mark| mark.to_string()).collect()
    }

    #[test]
    fn scaled_parts_have_the_exact_sum() {
        assert_eq!(texts(&[2, 8, 5, 5], 25), ["2.5", "10", "6.25", "6.25"]);
        assert_eq!(texts(&[2, 8, 5, 5], 20), ["2", "8", "5", "5"]);
        assert_eq!(texts(&[10, 10, 10], 20), ["6.67", "6.66", "6.67"]);
        assert_eq!(texts(&[0, 1], 1), ["0", "1"]);
        assert_eq!(texts(&[0, 0], 5), ["0", "0"]);
        let large = CourseMark::scale(&[u32::MAX, u32::MAX, 1], u32::MAX);
        let sum: CourseMark = large.into_iter().sum();
        assert_eq!(sum.whole(), Some(u64::from(u32::MAX)));
    }

    #[test]
    fn a_mark_is_a_number_in_json() {
        for (hundredths, text) in [(0, "0"), (1250, "12.5"), (2000, "20"), (7, "0.07")] {
            let mark = CourseMark { hundredths };
            let json = serde_json::to_string(&mark).unwrap_or_default();
            assert_eq!(json, text);
            assert_eq!(serde_json::from_str::<CourseMark>(&json).ok(), Some(mark));
        }
        for wrong in ["-1", "0.125", "1e-3", "\"1\""] {
            assert!(
                serde_json::from_str::<CourseMark>(wrong).is_err(),
                "{wrong}"
            );
        }
    }
}

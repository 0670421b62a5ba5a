//! The text of an exact schedule.

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use super::{ExactDelay, ExactSchedule, LIMIT, START_LIMIT};

/// Most bytes of a task's name (`TASK_COMM_LEN` in include/linux/sched.h, less the NUL).
const MAX_NAME_BYTES: usize = 15;

/// Returns a task's name with `%` and two hexadecimal digits for each byte that is not a letter, a
/// digit, `_` or `-`.
pub(in crate::schedule) fn encoded(name: &str) -> String {
    let mut text = String::new();
    for byte in name.bytes() {
        match byte {
            b'_' | b'-' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            // `write!` to a String cannot fail.
            _ => drop(write!(text, "%{byte:02x}")),
        }
    }
    text
}

/// Returns the name that [`encoded`] made this text of.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let length = if letter == '%' {
            bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            3
        } else {
            bytes.extend(letter.to_string().bytes());
            letter.len_utf8()
        };
        rest = &rest[length..];
    }
    String::from_utf8(bytes).ok()
}

/// Formats nanoseconds as milliseconds, exactly: `0.1ms`.
fn milliseconds(nanoseconds: u64) -> String {
    let (whole, rest) = (nanoseconds / 1_000_000, nanoseconds % 1_000_000);
    let fraction = format!("{rest:06}");
    match fraction.trim_end_matches('0') {
        "" => format!("{whole}ms"),
        fraction => format!("{whole}.{fraction}ms"),
    }
}

/// Parses milliseconds with up to six digits after the point, as nanoseconds.
fn nanoseconds(text: &str) -> Option<u64> {
    let number = text.strip_suffix("ms")?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
        return None;
    }
    let whole: u64 = whole.parse().ok()?;
    let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
    whole.checked_mul(1_000_000)?.checked_add(fraction)
}

impl fmt::Display for ExactDelay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            task,
            function,
            offset,
            until,
            arrival,
            nanoseconds,
        } = self;
        let (task, time) = (encoded(task), milliseconds(*nanoseconds));
        write!(f, "{task}@{function}+{offset:#x}")?;
        if let Some(until) = until {
            write!(f, "..{until:#x}")?;
        }
        write!(f, "#{arrival}={time}")
    }
}

impl fmt::Display for ExactSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "start={}", milliseconds(self.start_nanoseconds))?;
        self.delays
            .iter()
            .try_for_each(|delay| write!(f, " {delay}"))
    }
}

impl FromStr for ExactDelay {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = |what: &str| format!("`{text}`: {what}");
        let malformed = || refuse("write a delay as TASK@FUNCTION+OFFSET#ARRIVAL=TIMEms");
        let (task, rest) = text.split_once('@').ok_or_else(malformed)?;
        let (rest, time) = rest.rsplit_once('=').ok_or_else(malformed)?;
        let (rest, arrival) = rest.rsplit_once('#').ok_or_else(malformed)?;
        let (function, offset) = rest.rsplit_once('+').ok_or_else(malformed)?;
        let task = decoded(task)
            .filter(|name| (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.contains('\0'))
            .ok_or_else(|| refuse("the task's name has 1 to 15 bytes"))?;
        let (offset, until) = match offset.split_once("..") {
            Some((offset, until)) => (offset, Some(until)),
            None => (offset, None),
        };
        let bytes = |text: &str| {
            let number = match text.strip_prefix("0x") {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => text.parse(),
            };
            number.map_err(|_| refuse("the offset is a number of bytes: 0x1b"))
        };
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || "_.$".contains(letter);
        if function.is_empty() || function.len() > 512 || !function.chars().all(is_name) {
            return Err(refuse("the function is a symbol of the module"));
        }
        let nanoseconds = nanoseconds(time).ok_or_else(|| {
            refuse("the time is in milliseconds, with up to six digits after the point: 0.1ms")
        })?;
        Ok(Self {
            task,
            function: function.to_owned(),
            offset: bytes(offset)?,
            until: until.map(bytes).transpose()?,
            arrival: arrival
                .parse()
                .ok()
                .filter(|arrival| *arrival > 0)
                .ok_or_else(|| refuse("arrivals are numbered from 1"))?,
            nanoseconds,
        })
    }
}

impl FromStr for ExactSchedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut schedule = Self::default();
        for (index, word) in text.split_whitespace().enumerate() {
            if let Some(time) = word.strip_prefix("start=") {
                if index > 0 {
                    return Err(format!("`{word}`: `start=` comes first, and once"));
                }
                let start = nanoseconds(time).filter(|start| *start < START_LIMIT);
                schedule.start_nanoseconds = start
                    .ok_or_else(|| format!("`{word}`: write a time below 4ms: start=1.25ms"))?;
                continue;
            }
            let delay: ExactDelay = word.parse()?;
            if delay.until.is_some() && schedule.held_store().is_some() {
                return Err(format!("`{word}`: one store is held back at most"));
            }
            let mut others = schedule.delays.iter();
            if others.any(|other| other.is_same_arrival(&delay)) {
                return Err(format!("`{word}`: the same arrival has another delay"));
            }
            schedule.delays.push(delay);
        }
        if text.trim().is_empty() {
            return Err("the schedule is empty; start=0ms is a schedule without delays".to_owned());
        }
        if !schedule.is_within_limit() {
            let most = LIMIT / 1_000_000;
            return Err(format!("all delays together last at most {most}ms"));
        }
        let mut fitting = schedule.clone();
        fitting.fit();
        if fitting != schedule {
            return Err("there are more delays than a guest has room for".to_owned());
        }
        Ok(schedule)
    }
}

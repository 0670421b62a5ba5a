//! Commands that the host types on the channel, in real time: a line each.

/// Returns the line for a command, which may itself have several lines.
pub fn line(command: &str) -> String {
    command.replace('\\', "\\\\").replace('\n', "\\n") + "\n"
}

/// Returns the command of a line, without its line end.
pub fn command(line: &str) -> String {
    let mut command = String::with_capacity(line.len());
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('n') => command.push('\n'),
                Some(other) => command.push(other),
                None => {}
            },
            letter => command.push(letter),
        }
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_survive_a_round_trip() {
        for text in ["true", "", "a\nb", "printf 'x\\n'", "\\\\n\n\\"] {
            let line = line(text);
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert_eq!(command(line.trim_end_matches('\n')), text);
        }
    }
}

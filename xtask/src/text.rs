//! Text of guests and tools, made fit for a terminal.

/// Returns a line without trailing white space and with escaped control characters.
pub fn printable(line: &str) -> String {
    let mut printable = String::with_capacity(line.len());
    for char in line.trim_end().chars() {
        if char.is_control() && char != '\t' {
            printable.extend(char.escape_default());
        } else {
            printable.push(char);
        }
    }
    printable
}

//! The part of gdb's remote protocol that stops a guest at an instruction and reads its memory
//! (gdb manual, "Remote Protocol").

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::text::hexadecimal_bytes;

/// QEMU's answer to `g` begins with rax, rbx, rcx, rdx, rsi and rdi, of 8 bytes
/// each (gdb-xml/i386-64bit.xml), and rip is the register 16.
const RDI: usize = 5;
const RIP: usize = 16;

/// The reason for which a guest does not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebuggerStop {
    /// It is at a breakpoint.
    Breakpoint,
    /// It has ended.
    End,
}

/// A guest's memory, while it is stopped.
pub trait Memory {
    /// Returns the first argument of the function at whose first instruction the guest is.
    ///
    /// # Errors
    ///
    /// If QEMU does not answer.
    fn first_argument(&mut self) -> Result<u64>;

    /// Reads `length` bytes at a virtual address.
    ///
    /// # Errors
    ///
    /// If the address is not mapped.
    fn read(&mut self, address: u64, length: usize) -> Result<Vec<u8>>;

    /// Reads the 64-bit number at a virtual address.
    ///
    /// # Errors
    ///
    /// If the address is not mapped.
    fn number(&mut self, address: u64) -> Result<u64> {
        let bytes = self.read(address, 8)?;
        let bytes: [u8; 8] = bytes.as_slice().try_into().context("fewer than 8 bytes")?;
        Ok(u64::from_le_bytes(bytes))
    }
}

/// A connection to QEMU's debugger stub.
pub(super) struct Gdb {
    stream: UnixStream,
    /// The number of the CPU that has stopped last, as one of gdb's threads, from 1.
    thread: u32,
}

impl Gdb {
    /// Attaches to the guest, which stops it.
    pub(super) fn attach(socket: &Path) -> Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("cannot connect to {}", socket.display()))?;
        Ok(Self { stream, thread: 1 })
    }

    /// Returns the number of the CPU that has stopped last, as one of gdb's threads, from 1.
    pub(super) fn thread(&self) -> u32 {
        self.thread
    }

    /// Writes a 64-bit number to a virtual address.
    pub(super) fn write(&mut self, address: u64, number: u64) -> Result<()> {
        let digits = hexadecimal(&number.to_le_bytes());
        let answer = self.ask(&format!("M{address:x},8:{digits}"))?;
        self.expect_ok(answer)
    }

    /// Makes the CPU with gdb's number `thread` go on at the instruction at `address`.
    pub(super) fn set_instruction(&mut self, thread: u32, address: u64) -> Result<()> {
        let chosen = self.ask(&format!("Hg{thread:x}"))?;
        self.expect_ok(chosen)?;
        let mut registers = self.bytes("g")?;
        let rip = registers.get_mut(RIP * 8..RIP * 8 + 8);
        rip.context("no register rip")?
            .copy_from_slice(&address.to_le_bytes());
        let set = self.ask(&format!("G{}", hexadecimal(&registers)))?;
        self.expect_ok(set)
    }

    /// Checks an answer to a request. A guest that ran until the connection was made reports first
    /// that it has stopped.
    fn expect_ok(&mut self, mut answer: String) -> Result<()> {
        while answer.starts_with('T') {
            answer = self.answer()?;
        }
        ensure!(answer == "OK", "QEMU's debugger stub answers {answer:?}");
        Ok(())
    }

    /// Lets the guest run, and leaves it.
    pub(super) fn detach(mut self) -> Result<()> {
        let answer = self.ask("D")?;
        ensure!(answer == "OK", "QEMU did not detach: {answer:?}");
        Ok(())
    }

    /// Lets the guest run until it reaches `address`, or ends.
    pub(super) fn run_to(&mut self, address: u64) -> Result<DebuggerStop> {
        // A guest that is already there would stop at once, so the CPU executes one instruction first.
        // The others wait meanwhile: without the breakpoint, they would pass `address`.
        if self.resume(&format!("vCont;s:{:x}", self.thread))? == DebuggerStop::End {
            return Ok(DebuggerStop::End);
        }
        self.continue_to(address)
    }

    /// Lets the guest run until it reaches `address`, where it is not yet, or ends.
    pub(super) fn continue_to(&mut self, address: u64) -> Result<DebuggerStop> {
        self.breakpoint('Z', address)?;
        let stop = self.resume("c")?;
        if stop == DebuggerStop::Breakpoint {
            self.breakpoint('z', address)?;
        }
        Ok(stop)
    }

    fn breakpoint(&mut self, set: char, address: u64) -> Result<()> {
        let answer = self.ask(&format!("{set}0,{address:x},1"))?;
        ensure!(answer == "OK", "QEMU refused a breakpoint: {answer:?}");
        Ok(())
    }

    fn resume(&mut self, how: &str) -> Result<DebuggerStop> {
        let mut answer = self.ask(how)?;
        loop {
            match answer.bytes().next() {
                Some(b'T') => {
                    self.thread = thread(&answer)
                        .with_context(|| format!("QEMU names no CPU in {answer:?}"))?;
                    return Ok(DebuggerStop::Breakpoint);
                }
                Some(b'W' | b'X') => return Ok(DebuggerStop::End),
                // A message to print, not an answer.
                Some(b'O') => answer = self.answer()?,
                _ => bail!("QEMU's debugger stub answers {answer:?}"),
            }
        }
    }

    fn ask(&mut self, question: &str) -> Result<String> {
        let sum = question.bytes().fold(0_u8, u8::wrapping_add);
        write!(self.stream, "${question}#{sum:02x}")?;
        self.answer()
    }

    /// Reads the next packet's contents. Between packets there are acknowledgements.
    fn answer(&mut self) -> Result<String> {
        while self.byte()? != b'$' {}
        let mut answer = Vec::new();
        loop {
            match self.byte()? {
                b'#' => break,
                byte => answer.push(byte),
            }
        }
        // The checksum: a socket does not lose bytes.
        self.byte()?;
        self.byte()?;
        // A stub that has reported its guest's end does not wait for an acknowledgement.
        let _ = self.stream.write_all(b"+");
        String::from_utf8(answer).context("QEMU's debugger stub did not send text")
    }

    fn byte(&mut self) -> Result<u8> {
        let mut byte = [0];
        let read = self.stream.read_exact(&mut byte);
        read.context("QEMU's debugger stub closed the connection")?;
        Ok(byte[0])
    }

    fn bytes(&mut self, question: &str) -> Result<Vec<u8>> {
        let answer = self.ask(question)?;
        match hexadecimal_bytes(&answer) {
            Some(bytes) if !answer.starts_with('E') => Ok(bytes),
            _ => bail!("QEMU's debugger stub answers {question} with {answer:?}"),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the thread in a report that the guest has stopped, such as `T05thread:02;`.
fn thread(report: &str) -> Option<u32> {
    let (_, rest) = report.split_once("thread:")?;
    let (number, _) = rest.split_once(';')?;
    u32::from_str_radix(number, 16).ok()
}

impl Memory for Gdb {
    fn first_argument(&mut self) -> Result<u64> {
        let registers = self.bytes("g")?;
        let rdi = registers.get(RDI * 8..RDI * 8 + 8);
        let rdi: [u8; 8] = rdi
            .and_then(|rdi| rdi.try_into().ok())
            .context("no register rdi")?;
        Ok(u64::from_le_bytes(rdi))
    }

    fn read(&mut self, address: u64, length: usize) -> Result<Vec<u8>> {
        self.bytes(&format!("m{address:x},{length:x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a stub that answers each question in turn, and a thread with the questions.
    fn stub(answers: &'static [&'static str]) -> (Gdb, std::thread::JoinHandle<Vec<u8>>) {
        let (stream, mut stub) = UnixStream::pair().expect("a pair of sockets");
        let thread = std::thread::spawn(move || {
            for answer in answers {
                write!(stub, "+${answer}#00").expect("it listens");
            }
            let mut asked = Vec::new();
            stub.read_to_end(&mut asked).expect("it is there");
            asked
        });
        (Gdb { stream, thread: 1 }, thread)
    }

    #[test]
    fn questions_have_checksums_and_answers_are_acknowledged() {
        let (mut gdb, stub) = stub(&["T05thread:01;", "OK", "T05thread:02;", "OK", "W00"]);
        assert_eq!(
            gdb.run_to(0xffff).expect("it stops"),
            DebuggerStop::Breakpoint
        );
        assert_eq!(gdb.run_to(0xffff).expect("it ends"), DebuggerStop::End);
        drop(gdb);
        let asked = stub.join().expect("it ends");
        assert_eq!(
            String::from_utf8_lossy(&asked),
            "$vCont;s:1#23+$Z0,ffff,1#ab+$c#63+$z0,ffff,1#cb+$vCont;s:2#24+"
        );
    }

    #[test]
    fn a_number_is_written_in_little_endian() {
        let (mut gdb, stub) = stub(&["T02thread:01;", "OK", "OK"]);
        gdb.write(0x10, 0x41).expect("it is written");
        gdb.detach().expect("it runs");
        let asked = stub.join().expect("it ends");
        let asked = String::from_utf8_lossy(&asked);
        assert!(asked.starts_with("$M10,8:4100000000000000#"), "{asked}");
        assert!(asked.contains("+$D#44"), "{asked}");
    }

    #[test]
    fn a_cpu_goes_on_elsewhere() {
        static REGISTERS: [&str; 5] = [
            "T02thread:01;",
            "OK",
            // The registers up to rip and one more, all 0x11.
            concat!(
                "11111111111111111111111111111111111111111111111111111111111111111111111111111111",
                "11111111111111111111111111111111111111111111111111111111111111111111111111111111",
                "11111111111111111111111111111111111111111111111111111111111111111111111111111111",
                "111111111111111111111111111111111111111111111111"
            ),
            "OK",
            "OK",
        ];
        let (mut gdb, stub) = stub(&REGISTERS);
        gdb.set_instruction(2, 0xffff_0102).expect("it is set");
        gdb.detach().expect("it runs");
        let asked = stub.join().expect("it ends");
        let asked = String::from_utf8_lossy(&asked);
        assert!(asked.starts_with("$Hg2#"), "{asked}");
        let written = format!("$G{}0201ffff00000000{}#", "11".repeat(128), "11".repeat(8));
        assert!(asked.contains(&written), "{asked}");
    }

    #[test]
    fn memory_is_hexadecimal_and_errors_are_errors() {
        let (mut gdb, _stub) = stub(&["0102030405060708", "E14", ""]);
        assert_eq!(gdb.number(1).expect("a number"), 0x0807_0605_0403_0201);
        assert!(gdb.read(1, 4).is_err());
        assert!(gdb.first_argument().is_err());
    }
}

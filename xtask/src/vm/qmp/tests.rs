use std::io::{BufRead as _, BufReader};

use super::*;

const GREETING: &str = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";

/// Returns a connection to a QEMU that greets and then answers each request with the next of
/// these texts, and a thread with the requests.
fn qemu(answers: &'static [&'static str]) -> (Result<Qmp>, std::thread::JoinHandle<Vec<Value>>) {
    let (stream, mut qemu) = UnixStream::pair().expect("a pair of sockets");
    let thread = std::thread::spawn(move || {
        qemu.write_all(GREETING.as_bytes()).expect("it is read");
        let lines = BufReader::new(qemu.try_clone().expect("a copy")).lines();
        let mut requests = Vec::new();
        let answers = ["{\"return\": {}}\r\n"]
            .into_iter()
            .chain(answers.iter().copied());
        for (line, answer) in lines.map_while(Result::ok).zip(answers) {
            requests.push(serde_json::from_str(&line).expect("JSON"));
            // In pieces of any size.
            for piece in answer.as_bytes().chunks(7) {
                qemu.write_all(piece).expect("it is read");
            }
        }
        requests
    });
    (Qmp::new(stream, std::process::id()), thread)
}

#[test]
fn the_clock_counts_from_its_epoch() -> Result<()> {
    let (qmp, qemu) = qemu(&[
        "{\"return\": {\"tm_mon\": 0, \"tm_mday\": 2, \"tm_hour\": 1, \"tm_min\": 1, \"tm_sec\": 1}}\n",
        "{\"return\": 7}\n",
    ]);
    let mut qmp = qmp?;
    assert_eq!(qmp.guest_seconds()?, 86_400 + 3600 + 61);
    assert!(qmp.guest_seconds().is_err());
    drop(qmp);
    let requests = qemu.join().expect("it ends");
    assert_eq!(requests[0]["execute"], "qmp_capabilities");
    assert_eq!(requests[1]["execute"], "qom-get");
    Ok(())
}

#[test]
fn events_between_answers_are_kept() -> Result<()> {
    let (qmp, _qemu) = qemu(&[
        "{\"event\": \"GUEST_PANICKED\", \"data\": {}}\n{\"event\": \"STOP\", \"data\": {}}\n{\"return\": {\"status\": \"internal-error\"}}\n",
    ]);
    let mut qmp = qmp?;
    assert!(qmp.has_internal_error()?);
    assert!(qmp.wait_for_stop(Duration::from_millis(1))?);
    // The event is there only once.
    assert!(!qmp.wait_for_stop(Duration::from_millis(1))?);
    Ok(())
}

#[test]
fn events_that_nobody_waits_for_are_counted() -> Result<()> {
    const ANSWER: &str = "{\"return\": {\"status\": \"running\"}}\n\
        {\"event\": \"GUEST_PANICKED\"}\n{\"event\": \"STOP\"}\n{\"event\": \"RESET\"}\n";
    let (qmp, qemu) = qemu(&[ANSWER]);
    let mut qmp = qmp?;
    assert_eq!(qmp.other_events(9)?.count, 0);
    assert!(!qmp.has_internal_error()?);
    // The whole answer has been sent.
    qmp.stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    while qmp.others.count < 2 {
        let message = qmp.read()?;
        qmp.note_event(message);
    }
    let expected = OtherEvents {
        count: 2,
        last: "RESET".to_owned(),
    };
    assert_eq!(*qmp.other_events(9)?, expected);
    assert!(qmp.wait_for_stop(Duration::from_millis(1))?);
    drop(qmp);
    qemu.join().expect("it ends");
    Ok(())
}

#[test]
fn an_error_names_the_request() -> Result<()> {
    let (qmp, _qemu) = qemu(&["{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}}\n"]);
    let error = qmp?.nmi().expect_err("QEMU refuses");
    assert!(error.to_string().contains("inject-nmi"), "{error}");
    Ok(())
}

#[test]
fn a_qemu_that_goes_away_or_sends_no_json_is_an_error() -> Result<()> {
    let (qmp, _qemu) = qemu(&[]);
    assert!(qmp?.quit().is_err());
    let (qmp, _qemu) = self::qemu(&["hello\n"]);
    let error = qmp?.quit().expect_err("not JSON");
    assert!(error.to_string().contains("JSON"), "{error}");
    Ok(())
}

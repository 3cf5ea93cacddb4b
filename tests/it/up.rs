//! `weir up` does what it prints, without Internet.

use std::process::Command;

use tests::program::Program;
use tests::wait_for;

#[test]
fn the_three_lines_do_what_they_say() {
    if tests::tier_missing("real peers", tests::program_missing(&["curl"])) {
        return;
    }
    let free = "127.0.0.1:0";
    let arguments = ["up", "--listen", free, "--icap", free, "--admin", free];
    let mut program = Program::start(&arguments, &[]);
    program.address("explicit", 0);
    let lines = wait_for("three lines", || {
        let lines = program.lines();
        let lines: Vec<String> = lines
            .into_iter()
            .filter(|line| line.starts_with("curl"))
            .collect();
        (lines.len() == 3).then_some(lines)
    });
    for (line, answer) in lines.iter().zip([
        "HTTP/1.1 200 OK",
        "HTTP/1.1 403 Forbidden",
        "HTTP/1.1 302 Found",
    ]) {
        let status = answer.split(' ').nth(1).unwrap();
        assert!(line.starts_with("curl -x http://127.0.0.1:"), "{line}");
        assert!(line.contains(&format!(" # {status}: ")), "{line}");
        // As a person would run it: the shell takes the remark for one.
        let output = Command::new("sh").args(["-c", line]).output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.starts_with(answer), "{line}\n{text}");
    }
    assert_eq!(program.stop(), 0);
}

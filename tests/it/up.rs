//! `weir up` does what it prints, without Internet.

use std::process::Command;

use expect_test::expect;
use tests::program::{Program, run};
use tests::{ToEnd as _, wait_for};

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
        // As a person would run it: the shell takes the remark for one. A machine that is busy for
        // longer than a decision may take gets the error action, and the next time the answer.
        wait_for(&format!("{answer} from {line}"), || {
            let output = Command::new("sh").args(["-c", line]).to_end();
            let text = String::from_utf8_lossy(&output.stdout);
            text.starts_with(answer).then_some(())
        });
    }
    assert_eq!(program.stop(), 0);
}

#[test]
fn explain_asks_a_real_service() {
    let free = "127.0.0.1:0";
    let arguments = ["up", "--listen", free, "--icap", free, "--admin", free];
    let mut program = Program::start(&arguments, &[]);
    let service = format!("icap://{}/categorize", program.address("icap", 0));
    let policies = crate::architecture::root().join("policies");
    let explain = |service: &str| {
        let uri = "http://casino.demo.example/";
        let arguments = ["explain", "--policy", "demo.yaml", "--icap", service, uri];
        let output = run(&policies, &arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    expect![[r#"
        requested         http://casino.demo.example/
        normal form       http://casino.demo.example/
        profile           demo
        lists             no entry in pass_list, block_list and redirect_list
        categories        gambling
                          gambling: block, by the policy
        most restrictive  block, from icap
        decision          block, from icap (gambling)
        enforcement       403 with the block page
    "#]]
    .assert_eq(&explain(&service));
    assert_eq!(program.stop(), 0);
    expect![[r#"
        requested         http://casino.demo.example/
        normal form       http://casino.demo.example/
        profile           demo
        ICAP failed       no answer from `SERVICE`: Connection refused (os error 111)
        lists             no entry in pass_list, block_list and redirect_list
        categories        the categorizer failed: connect
        action            block, from error
        decision          block, from error
        enforcement       403 with the block page
    "#]]
    .assert_eq(&explain(&service).replace(&service, "SERVICE"));
}

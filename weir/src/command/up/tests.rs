use expect_test::expect;

use super::*;
use crate::config;

#[test]
fn exactly_three_lines_are_commands() {
    let proxy = SocketAddr::from(([127, 0, 0, 1], 3128));
    expect![[r#"
        curl -x http://127.0.0.1:3128 -i http://news.demo.example/ # 200: news are passed
        curl -x http://127.0.0.1:3128 -i http://casino.demo.example/ # 403: gambling gets the block page
        curl -x http://127.0.0.1:3128 -i http://play.demo.example/ # 302: games are redirected to a notice
    "#]].assert_eq(&lines(proxy, true));
    assert!(
        lines(proxy, false)
            .lines()
            .all(|line| line.ends_with(" # as your policy says"))
    );
}

#[test]
fn the_bundled_files_are_good() {
    let loaded = config::load(BUNDLED, "weir.yaml".as_ref()).unwrap();
    assert_eq!(loaded.warnings, []);
    let server = loaded.config.icap_server.unwrap();
    let (database, remarks) =
        crate::load::categories(BUNDLED, "weir.yaml".as_ref(), &server).unwrap();
    assert_eq!(remarks, []);
    assert_eq!(
        database.categories().collect::<Vec<_>>(),
        ["gambling", "games", "news"]
    );
}

//! What is wrong with the files of these tests.

/// Each row damages one text of one file.
pub(super) const DAMAGES: &[(&str, &str, &str)] = &[
    // An unknown key, everywhere.
    ("weir.yaml", "proxy:", "prox:"),
    ("weir.yaml", "listen: [{", "listens: [{"),
    ("weir.yaml", "mode:", "mod:"),
    ("weir.yaml", "http:", "htp:"),
    ("weir.yaml", "services:", "service:"),
    ("weir.yaml", "categories: c", "category: c"),
    ("weir.yaml", "apn_defaults", "apns"),
    ("policy.yaml", "lists: {", "list: {"),
    ("policy.yaml", "block: [", "blok: ["),
    ("policy.yaml", "    icap", "    icp"),
    ("policy.yaml", "file:", "path:"),
    ("policy.test.yaml", "cases", "case"),
    ("policy.test.yaml", "uri:", "url:"),
    // A key that is here twice.
    (
        "weir.yaml",
        "policy: policy.yaml",
        "policy: policy.yaml\npolicy: policy.yaml",
    ),
    (
        "weir.yaml",
        "  ports:",
        "  workers: 1\n  workers: 2\n  ports:",
    ),
    (
        "policy.yaml",
        "    policy: family",
        "    policy: family\n    policy: family",
    ),
    ("policy.yaml", "lists: {", "lists: {school: [], "),
    // A value of another type.
    (
        "weir.yaml",
        "[{mode: explicit, address: '127.0.0.1:0'}]",
        "127.0.0.1:3128",
    ),
    ("weir.yaml", "[8000]", "8000"),
    ("weir.yaml", "8443", "https"),
    ("weir.yaml", "policy: policy.yaml", "policy: [policy.yaml]"),
    ("policy.yaml", "icap: true", "icap: yes"),
    ("policy.yaml", "pass_list: [school]", "pass_list: school"),
    (
        "policy.yaml",
        "default_action: pass",
        "default_action: [pass]",
    ),
    (
        "policy.yaml",
        "default_action: pass",
        "default_action: allow",
    ),
    ("policy.test.yaml", "action: pass", "action: allow"),
    // A value out of range.
    ("weir.yaml", "8000", "65536"),
    ("weir.yaml", "  ports:", "  workers: 257\n  ports:"),
    (
        "weir.yaml",
        "  ports:",
        "  client_hello: {bytes_max: 511}\n  ports:",
    ),
    ("policy.yaml", "    icap", "    id: 4294967295\n    icap"),
    // What belongs together does not fit.
    ("weir.yaml", "8443", "8000"),
    ("weir.yaml", "8443", "8080"),
    (
        "weir.yaml",
        "listen: [{mode: explicit, address: '127.0.0.1:0'}]",
        "listen: []",
    ),
    (
        "weir.yaml",
        "  ports:",
        "  upstream_source: client\n  ports:",
    ),
    (
        "weir.yaml",
        "  icap: {services: ['icap://127.0.0.1:1344/categorize']}\n",
        "",
    ),
    ("weir.yaml", "icap://", "http://"),
    ("weir.yaml", "internet: child", "internet: chld"),
    ("policy.yaml", "policy: family", "policy: famly"),
    ("policy.yaml", "[school]", "[scool]"),
    (
        "policy.yaml",
        "default_profile: child",
        "default_profile: adult",
    ),
    ("policy.test.yaml", "profile: child", "profile: chld"),
    // A key that is missing.
    ("weir.yaml", "policy: policy.yaml\n", ""),
    ("weir.yaml", ", categories: categories", ""),
    ("policy.yaml", "    error_action: block\n", ""),
    ("policy.test.yaml", ", expect: {action: pass}", ""),
    // A file that is missing.
    ("weir.yaml", "policy.yaml", "missing.yaml"),
    ("weir.yaml", "categories: categories", "categories: missing"),
    ("policy.yaml", "banned.txt", "missing.txt"),
    ("policy.test.yaml", "policy.yaml", "missing.yaml"),
    // A line of a list that is no URI.
    (
        "policy.yaml",
        "'http://school.example/'",
        "'ftp://school.example/'",
    ),
    (
        "policy.yaml",
        "'http://school.example/'",
        "'http://school example/'",
    ),
    (
        "lists/banned.txt",
        "casino.example",
        "# a comment\n\ncasino..example:http\n",
    ),
    // No YAML at all.
    ("weir.yaml", "proxy:", "proxy: ["),
    ("policy.yaml", "profiles:", "profiles: \""),
    ("policy.test.yaml", "cases:", "cases: }"),
    ("weir.yaml", "policy: policy.yaml", "policy: &a [*a]"),
];

use std::collections::HashMap;
use std::error::Error as _;
use std::net::Ipv6Addr;

use serde::Deserialize;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "the fields are there to be asked for")]
struct Config {
    private_key_file: PathBuf,
    listen_port: Option<u16>,
    #[serde(default)]
    uplink: Uplink,
    pool: Option<Pool>,
    #[serde(default)]
    client: Vec<Client>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "the fields are there to be asked for")]
struct Uplink {
    interface: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "the fields are there to be asked for")]
struct Pool {
    addresses: Vec<Ipv6Addr>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[expect(dead_code, reason = "the fields are there to be asked for")]
struct Client {
    name: String,
    public_key: Key,
}

/// A key that quotes what it refuses, as a careless type would.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Key;

impl TryFrom<String> for Key {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() == 44 { Ok(Self) } else { Err(format!("{text} is no key")) }
    }
}

const SECRET: &str = "kGwOuVwSTZh1uUjkYIVMGJNZyy4tD0vOuVwSTZh1uUk=";

fn loaded(content: impl AsRef<[u8]>) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.toml");
    std::fs::write(&path, content).unwrap();
    load(&path)
}

/// What is said of a file with this content, from the file's name on.
fn said(content: impl AsRef<[u8]>) -> String {
    let error = loaded(content).unwrap_err();
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text[text.find("server.toml").unwrap()..].to_owned()
}

#[test]
fn a_good_file_is_read() {
    let config = loaded(
        "private-key-file = 'server.key'\nlisten-port = 51820\n[uplink]\n[pool]\naddresses = ['2001:db8::1']\n",
    )
    .unwrap();
    assert_eq!((config.listen_port, config.private_key_file), (Some(51820), PathBuf::from("server.key")));
}

#[test]
fn a_file_that_a_program_of_windows_has_written_is_read_and_its_mistakes_have_their_lines() {
    let good = "\u{feff}private-key-file = 'schlüssel.key'\r\nlisten-port = 51820\r\n";
    let bad = "\u{feff}private-key-file = 'ä'\r\nlisten-prot = 3\r\n";
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for written in [good.as_bytes().to_vec(), utf16(good)] {
        assert_eq!(loaded(written).unwrap().private_key_file, PathBuf::from("schlüssel.key"));
    }
    for written in [bad.as_bytes().to_vec(), utf16(bad)] {
        assert_eq!(said(written), "server.toml:2: unknown key `listen-prot`, did you mean `listen-port`?");
    }
    assert!(loaded(b"\xff\xfe\x00\xd8").is_err(), "half a character");
}

#[test]
fn an_unknown_key_is_named_with_its_line_the_nearest_and_the_known() {
    let error = loaded("private-key-file = 'a'\n\nlisten-prot = 3\n").unwrap_err();
    assert!(
        error.to_string().ends_with("server.toml:3: unknown key `listen-prot`, did you mean `listen-port`?"),
        "{error}"
    );
    assert_eq!(
        error.hint().unwrap(),
        "the keys known here are `private-key-file`, `listen-port`, `uplink`, `pool`, `client`"
    );
}

#[test]
fn unknown_keys_are_found_at_every_depth() {
    let good = "private-key-file = 'a'\n";
    let cases = [
        ("[uplnk]\n", "server.toml:2: unknown key `uplnk`, did you mean `uplink`?"),
        ("[uplink]\nmtu = 1\n", "server.toml:3: unknown key `mtu`"),
        ("uplink.interfaces = 'a'\n", "server.toml:2: unknown key `interfaces`, did you mean `interface`?"),
        (
            "[[client]]\nname = 'a'\nPublicKey = 'b'\n",
            "server.toml:4: unknown key `PublicKey`, did you mean `public-key`?",
        ),
        ("pool = { address = [] }\n", "server.toml:2: unknown key `address`, did you mean `addresses`?"),
        ("\"a`, expected `b\" = 1\n", "server.toml:2: unknown key `a`, expected `b`"),
    ];
    for (content, expected) in cases {
        assert_eq!(said(format!("{good}{content}")), expected);
    }
    let error = loaded(format!("{good}[uplink]\nmtu = 1\n")).unwrap_err();
    assert_eq!(error.hint().unwrap(), "the keys known here are `interface`");
}

#[test]
fn wrong_types_are_named_with_line_and_key_in_the_words_of_toml() {
    let good = "private-key-file = 'a'\n";
    let cases = [
        (
            "listen-port = 'x'\n",
            "server.toml:2: listen-port: invalid type: string \"x\", expected a number from 0 to 65535",
        ),
        (
            "listen-port = 70000\n",
            "server.toml:2: listen-port: invalid value: integer `70000`, expected a number from 0 to 65535",
        ),
        ("uplink = 3\n", "server.toml:2: uplink: invalid type: integer `3`, expected a table"),
        (
            "[pool]\naddresses = [\n '2001:db8::1',\n 'x'\n]\n",
            "server.toml:5: pool.addresses: invalid IPv6 address syntax",
        ),
    ];
    for (content, expected) in cases {
        assert_eq!(said(format!("{good}{content}")), expected);
    }
}

#[test]
fn a_missing_key_is_named_with_its_table() {
    assert_eq!(said("listen-port = 1\n"), "server.toml: the key `private-key-file` is missing");
    assert_eq!(
        said("private-key-file = 'a'\n[pool]\n"),
        "server.toml:2: the key `addresses` is missing in [pool]"
    );
    let clients = format!("[[client]]\nname = 'a'\npublic-key = '{SECRET}'\n[[client]]\nname = 'b'\n");
    assert_eq!(
        said(format!("private-key-file = 'a'\n{clients}")),
        "server.toml:5: the key `public-key` is missing in [client]"
    );
}

#[test]
fn syntax_errors_have_line_and_column_and_one_line() {
    let text = said("private-key-file = 'a'\nlisten-port = = 3\n");
    assert!(text.starts_with("server.toml:2:15: "), "{text}");
    let text = said("listen-port = 1\nlisten-port = 2\n");
    assert_eq!(text, "server.toml:2:1: duplicate key");
    assert_eq!(said(b"# caf\xe9\n"), "server.toml:1:6: not UTF-8");
}

#[test]
fn a_secret_pasted_into_the_file_is_never_shown() {
    let wrong = [
        format!("private-key-file = {SECRET}\n"),
        format!("private-key-file = \"{SECRET}\n"),
        format!("private-key = \"{SECRET}\"\n"),
        format!("private-key-file = [\"{SECRET}\"]\n"),
        format!("private-key-file = {{ a = \"{SECRET}\" }}\n"),
        format!("{SECRET}\n"),
        format!("{SECRET} 3\n"),
        format!("private-key-file = 'a'\n[[client]]\nname = 'a'\npublic-key = \"{SECRET}x\"\n"),
        format!(
            "private-key-file = 'a'\n[[client]]\nname = 'a'\npublic-key = \"\\u006b{}x\"\n",
            &SECRET[1..]
        ),
        format!("private-key-file = 'a'\n[client]\npublic-key = \"{SECRET}\"\n"),
        format!("private-key-file = 'a'\nclient = [\"{SECRET}\"]\n").replace("client", "keys"),
    ];
    for content in wrong {
        let error = loaded(&content).unwrap_err();
        let shown = format!("{error} {error:?} {:?} {:?}", error.hint(), error.source());
        assert!(!shown.contains(&SECRET[2..20]), "{shown}");
    }
}

#[test]
fn a_value_of_a_wrong_type_under_a_key_is_named_by_its_type_alone() {
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "kebab-case")]
    struct Numbers {
        #[serde(rename = "key-count")]
        _key_count: u16,
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.toml");
    std::fs::write(&path, format!("key-count = \"{SECRET}\"\n")).unwrap();
    let error = load::<Numbers>(&path).unwrap_err().to_string();
    assert!(
        error.ends_with(":1: key-count: invalid type: string, expected a number from 0 to 65535"),
        "{error}"
    );
}

#[test]
fn long_values_are_shortened() {
    let text = said(format!("private-key-file = 'a'\nlisten-port = '{}'\n", "x".repeat(100_000)));
    assert!(text.len() < 300 && text.ends_with('…'), "{text}");
}

#[test]
fn a_missing_file_a_folder_and_a_file_too_large_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let missing = load::<HashMap<String, u8>>(&folder.path().join("none.toml")).unwrap_err();
    assert!(matches!(missing, ConfigError::Missing { .. }));
    assert!(missing.hint().unwrap().contains("--config"));
    let unreadable = load::<HashMap<String, u8>>(folder.path()).unwrap_err();
    assert!(matches!(unreadable, ConfigError::Unreadable { .. }));
    let full = "#".repeat(usize::try_from(MAX_CONFIG_LEN).unwrap());
    assert_eq!(said(format!("{full}#")), "server.toml: larger than 1048576 bytes");
    assert_eq!(said(full), "server.toml: the key `private-key-file` is missing");
}

#[test]
fn the_line_of_an_element_is_found_by_its_value() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.toml");
    let text = "mtu = 1400\n\n[[client]]\nname = \"tv\"\n[[client]]\n# name = \"pc\"\nname = 'pc'\n";
    std::fs::write(&path, text).unwrap();
    assert_eq!(line_of(&path, "client", "name", "pc"), Some(7));
    assert_eq!(line_of(&path, "client", "name", "tv"), Some(4));
    assert_eq!(line_of(&path, "client", "name", "desk"), None);
    assert_eq!(line_of(&path, "mtu", "name", "pc"), None);
}

#[test]
fn relative_paths_are_relative_to_the_file() {
    let base = Path::new("/etc/v6tun/server.toml");
    assert_eq!(resolve(base, Path::new("server.key")), Path::new("/etc/v6tun/server.key"));
    assert_eq!(resolve(base, Path::new("/run/server.key")), Path::new("/run/server.key"));
    assert_eq!(resolve(Path::new("server.toml"), Path::new("a/b")), Path::new("a/b"));
}

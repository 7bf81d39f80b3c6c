use super::*;
use crate::windows_security::{
    FILE_OF_OWNER, FOLDER_OF_ADMINISTRATORS, FOLDER_OF_OWNER, PIPE_OF_ADMINISTRATORS,
};

const TRUSTED: [&str; 3] = ["SY", "BA", "OW"];
/// What Windows answers of a folder that somebody else has made in `%ProgramData%`.
const OF_A_USER: &str = "O:S-1-5-21-1-2-3-1001G:S-1-5-21-1-2-3-513D:AI(A;OICIID;FA;;;SY)(A;OICIID;FA;;;BA)\
    (A;OICIIOID;GA;;;CO)(A;OICIID;0x1200a9;;;BU)(A;CIID;DCLCRPCR;;;BU)";

fn other_with(rights: u32, text: &str) -> Option<String> {
    let list = AccessList::from_sddl(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    list.first_other_with(rights, &TRUSTED).map(str::to_owned)
}

#[test]
fn the_lists_that_are_made_here_let_nobody_else_in() {
    for list in [FOLDER_OF_OWNER, FILE_OF_OWNER, PIPE_OF_ADMINISTRATORS] {
        assert!(list.starts_with("D:P("), "{list} takes nothing from the folder above");
        assert_eq!(other_with(ANY, &format!("O:BA{list}")), None, "{list}");
    }
    assert_eq!(other_with(ANY, FOLDER_OF_ADMINISTRATORS), None);
    assert_eq!(AccessList::from_sddl(FOLDER_OF_ADMINISTRATORS).unwrap().owner(), "BA");
}

#[test]
fn whoever_has_a_right_is_found_by_it_in_letters_and_in_numbers() {
    let cases = [
        ("(A;;FA;;;WD)", ANY, Some("WD")),
        ("(A;;FR;;;BU)", ANY, Some("BU")),
        ("(A;;FR;;;BU)", WRITING, None),
        ("(A;OICI;0x1200a9;;;S-1-5-32-545)", WRITING, None),
        ("(A;OICI;0x1301bf;;;S-1-5-32-545)", WRITING, Some("BU")),
        ("(A;CI;DCLCRPCR;;;BU)", WRITING, Some("BU")),
        ("(A;CI;LC;;;BU)", WRITING, Some("BU")),
        ("(A;;GA;;;AU)", WRITING, Some("AU")),
        ("(A;;SD;;;AU)", WRITING, Some("AU")),
        ("(A;;WD;;;AU)", WRITING, Some("AU")),
        ("(A;;WO;;;S-1-5-21-1-2-3-1001)", WRITING, Some("S-1-5-21-1-2-3-1001")),
        ("(A;ID;FA;;;S-1-5-18)(A;ID;FA;;;S-1-5-32-544)", ANY, None),
        ("(A;;;;;WD)", ANY, None),
    ];
    for (entries, rights, expected) in cases {
        assert_eq!(other_with(rights, &format!("O:SYD:PAI{entries}")).as_deref(), expected, "{entries}");
    }
}

#[test]
fn a_folder_that_a_user_has_made_is_that_users_and_open_to_all() {
    assert_eq!(AccessList::from_sddl(OF_A_USER).unwrap().owner(), "S-1-5-21-1-2-3-1001");
    assert_eq!(other_with(WRITING, OF_A_USER).as_deref(), Some("BU"));
}

#[test]
fn who_makes_a_file_is_no_other_but_those_who_may_write_to_it_are() {
    assert_eq!(other_with(ANY, "O:BAD:(A;OICIIO;GA;;;CO)"), None);
    assert_eq!(other_with(WRITING, "O:BAD:(A;OICIIO;GA;;;CG)").as_deref(), Some("CG"));
    assert_eq!(other_with(WRITING, "O:BAD:(A;OIIO;FA;;;BU)").as_deref(), Some("BU"));
}

#[test]
fn where_there_is_no_list_everybody_may_do_everything_and_an_empty_one_lets_nobody_in() {
    for text in ["O:SY", "O:SYG:SY", "O:SYD:NO_ACCESS_CONTROL", "O:S-1-5-18G:SYD:NO_ACCESS_CONTROL"] {
        assert_eq!(other_with(WRITING, text).as_deref(), Some("WD"), "{text}");
    }
    assert_eq!(other_with(ANY, "O:SYD:P"), None);
    assert_eq!(other_with(ANY, "O:SYD:"), None);
}

#[test]
fn a_denial_gives_nothing_and_takes_nothing_from_what_is_given() {
    assert_eq!(other_with(ANY, "O:SYD:(D;;FA;;;WD)(OD;;FA;;;WD)(XD;;FA;;;WD;(a == 1))"), None);
    assert_eq!(other_with(WRITING, "O:SYD:(D;;FA;;;BU)(A;;FA;;;BU)").as_deref(), Some("BU"));
}

#[test]
fn what_is_not_known_counts_as_given() {
    let unknown =
        ["(A;;ZZ;;;BU)", "(A;;0xfffffffff;;;BU)", "(A;;F;;;BU)", "(QQ;;FA;;;BU)", "(OA;;FA;a;b;BU)"];
    for entry in unknown.into_iter().chain(["(XA;;FA;;;BU;(@User.Title == \"a\" && (b == 2)))"]) {
        assert_eq!(
            other_with(WRITING, &format!("O:SYD:{entry}(A;;FA;;;SY)")).as_deref(),
            Some("BU"),
            "{entry}"
        );
    }
}

#[test]
fn what_is_no_access_list_is_refused() {
    for text in [
        "",
        "D:(A;;FA;;;SY)",
        "O:D:(A;;FA;;;SY)",
        "O:SYD:(A;;FA;;;SY",
        "O:SYD:(A;;FA;;;)",
        "O:SYD:(A;;FA)",
        "O:SYD:(A;;FA;;;SY)x",
        "O:SYD:(A;;FA;;;SY))",
        "O:SYD:a(A;;FA;;;SY)",
    ] {
        assert_eq!(AccessList::from_sddl(text), Err(Malformed), "{text}");
    }
}

#[test]
fn accounts_are_called_what_people_call_them() {
    for (account, name) in [("WD", "Everyone"), ("S-1-5-32-545", "Users"), ("S-1-5-21-1", "S-1-5-21-1")] {
        assert_eq!(name_of(account), name);
    }
}

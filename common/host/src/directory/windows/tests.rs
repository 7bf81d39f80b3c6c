use super::*;

/// An elevated administrator: whose it is what he makes, and who he is.
fn own() -> [String; 2] {
    [ADMINISTRATORS.to_owned(), "S-1-5-21-1-2-3-1001".to_owned()]
}

fn judged(sddl: &str) -> Result<(), DirectoryError> {
    judge(Path::new(r"C:\ProgramData\v6tun"), &AccessList::from_sddl(sddl).unwrap(), &own())
}

#[test]
fn missing_directories_are_made_and_accepted_again() {
    let dir = tempfile::tempdir().unwrap();
    let (state, runtime) = (dir.path().join(r"a\state"), dir.path().join(r"b\run"));
    for _ in 0..2 {
        ensure_private_dir(&state).unwrap();
        ensure_runtime_dir(&runtime).unwrap();
    }
    let list = access_list_of(open(&state).unwrap()).unwrap();
    let own = [own_owner().unwrap(), own_user().unwrap()];
    let trusted = [SYSTEM, ADMINISTRATORS, OWNER, &own[0], &own[1]];
    assert_eq!(list.first_other_with(v6tun_files::windows_security::ANY, &trusted), None, "{list:?}");
}

#[test]
fn the_programs_own_folder_is_made_and_looked_at_as_those_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let own_folder = dir.path().join("v6tun");
    let shouted = PathBuf::from(own_folder.to_string_lossy().to_uppercase());
    ensure_below(&own_folder, &shouted.join("state")).unwrap();
    let list = access_list_of(open(&own_folder).unwrap()).unwrap();
    assert_eq!(list, access_list_of(open(&own_folder.join("state")).unwrap()).unwrap());
    fs::remove_dir_all(&own_folder).unwrap();
    fs::write(&own_folder, "").unwrap();
    let error = ensure_below(&own_folder, &own_folder.join("state")).unwrap_err();
    assert!(matches!(&error, DirectoryError::NotADirectory { path } if *path == own_folder), "{error:?}");
}

#[test]
fn a_file_in_its_place_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = ensure_private_dir(&file).unwrap_err();
    assert!(matches!(error, DirectoryError::NotADirectory { .. }), "{error:?}");
}

#[test]
fn one_that_somebody_else_has_made_before_is_refused_whatever_its_list() {
    for owner in ["BU", "WD", "S-1-5-21-1-2-3-1002", "OW"] {
        let error = judged(&format!("O:{owner}D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)")).unwrap_err();
        assert!(matches!(error, DirectoryError::WrongOwner { .. }), "{error:?}");
        assert!(error.hint().unwrap().contains(r#"`icacls "C:\ProgramData\v6tun" /setowner"#));
    }
}

#[test]
fn one_that_others_may_write_to_is_refused_with_the_commands_that_mend_it() {
    for list in ["D:NO_ACCESS_CONTROL", "", "D:(A;;FA;;;WD)", "D:AI(A;CIID;DCLCRPCR;;;BU)", "D:P(A;;WD;;;AU)"]
    {
        let error = judged(&format!("O:BA{list}")).unwrap_err();
        assert!(matches!(error, DirectoryError::OpenToOthers { .. }), "{list}: {error:?}");
        assert!(error.hint().unwrap().contains("/inheritance:r /grant:r *S-1-5-18:(OI)(CI)F"), "{error:?}");
    }
}

#[test]
fn one_of_administrators_or_of_this_process_that_others_only_read_is_accepted() {
    for owner in ["SY", "BA", "S-1-5-21-1-2-3-1001"] {
        for list in ["D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)", "D:AI(A;ID;FA;;;SY)(A;ID;0x1200a9;;;BU)"] {
            judged(&format!("O:{owner}{list}")).unwrap();
        }
    }
}

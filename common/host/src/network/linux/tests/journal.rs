//! Restoring with a journal whose file has gone, or cannot grow.

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::*;
use crate::network::{JournalError, Phase, RestoreError, restore};

fn pool(number: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, number)
}

/// Lends the last of four addresses: to give it back, those in front of it must be raised, which is recorded.
async fn lend_the_last(network: &Network, journal: &mut Journal) -> Vec<InterfaceAddress> {
    add_link(network, UPLINK).await;
    for number in 1..=4 {
        add(network, plain(pool(number), 64)).await;
    }
    let before = on_uplink(network).await;
    let absent = Requirement::AddressAbsent { link: UPLINK.into(), address: pool(1) };
    require(network, journal, &[absent]).await;
    assert_ne!(on_uplink(network).await, before);
    before
}

async fn on_uplink(network: &Network) -> Vec<InterfaceAddress> {
    network.observe(&[]).await.unwrap().addresses_of(UPLINK).to_vec()
}

/// A small file system that this thread alone sees.
fn mount_small(folder: &Path, options: &str) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>).unwrap();
    mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some(options)).unwrap();
}

#[test]
fn a_journal_whose_file_has_gone_still_restores() {
    in_namespace(async |network| {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        let before = lend_the_last(&network, &mut journal).await;
        std::fs::remove_file(journal.path()).unwrap();
        restore(&network, journal).await.unwrap();
        assert_eq!(on_uplink(&network).await, before);
    });
}

#[test]
fn a_full_disk_does_not_keep_the_host_from_being_restored() {
    in_namespace(async |network| {
        let folder = tempfile::tempdir().unwrap();
        mount_small(folder.path(), "size=64k");
        let mut journal = journal_in(folder.path());
        let before = lend_the_last(&network, &mut journal).await;
        assert!(std::fs::write(folder.path().join("filler"), vec![0; 1 << 17]).is_err());
        // The file's last page still has room: filled with what an undoing does not look at.
        let filler = Change::AddProxy { link: UPLINK.into(), address: pool(9) };
        while journal.record(0, Phase::Undo, &filler).is_ok() {}
        restore(&network, journal).await.unwrap();
        assert_eq!(on_uplink(&network).await, before);
        assert!(!folder.path().join("undo").exists());
        umount2(folder.path(), MntFlags::MNT_DETACH).unwrap();
    });
}

/// A process that another test is just starting holds our descriptors until it is the other program: as long as
/// one is open for writing, the file system is busy.
async fn make_read_only(folder: &Path) {
    let read_only = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    let mut outcome = Err(Errno::EBUSY);
    for _ in 0..400 {
        outcome = mount(None::<&str>, folder, None::<&str>, read_only, None::<&str>);
        if outcome != Err(Errno::EBUSY) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    outcome.unwrap();
}

#[test]
fn a_journal_on_a_read_only_file_system_is_read_and_undone() {
    in_namespace(async |network| {
        let folder = tempfile::tempdir().unwrap();
        mount_small(folder.path(), "size=64k");
        let mut journal = journal_in(folder.path());
        let before = lend_the_last(&network, &mut journal).await;
        drop(journal);
        make_read_only(folder.path()).await;

        let mut journal = journal_in(folder.path());
        let change = Change::AddProxy { link: UPLINK.into(), address: pool(9) };
        assert!(journal.record(0, Phase::Do, &change).is_err());
        let error = restore(&network, journal).await.unwrap_err();

        let stays = matches!(error, RestoreError::Journal(JournalError::Io { operation: "remove", .. }));
        assert!(stays, "{error}");
        assert_eq!(on_uplink(&network).await, before);
        umount2(folder.path(), MntFlags::MNT_DETACH).unwrap();
    });
}

#[test]
fn the_good_lines_of_a_damaged_journal_are_undone_and_it_is_kept() {
    in_namespace(async |network| {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        let before = lend_the_last(&network, &mut journal).await;
        drop(journal);
        let path = folder.path().join("undo");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replacen('\n', "\n\0\0\0\n", 1)).unwrap();
        for _ in 0..2 {
            let error = restore(&network, journal_in(folder.path())).await.unwrap_err();
            assert!(error.to_string().contains("line 2"), "{error}");
            assert_eq!(on_uplink(&network).await, before);
        }
        assert!(path.exists());
    });
}

#[test]
fn a_link_is_found_by_its_index_after_it_was_renamed() {
    in_namespace(async |network| {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        let before = lend_the_last(&network, &mut journal).await;
        let accept_ra = network.sysctl(&key(UPLINK, "accept_ra")).unwrap();
        let lease = [
            Requirement::Sysctl { key: key(UPLINK, "accept_ra"), value: "2".into() },
            Requirement::Sysctl { key: key(UPLINK, "forwarding"), value: "1".into() },
            Requirement::Proxy { link: UPLINK.into(), address: pool(1) },
        ];
        require(&network, &mut journal, &lease).await;
        drop(journal);
        for (old, new) in [(UPLINK, "ens4"), ("ens3-far", "ens4-far")] {
            let index = network.index_of(old).await.unwrap();
            let rename = LinkUnspec::new_with_index(index).name(new).build();
            handle().link().set(rename).execute().await.unwrap();
        }
        // Another link of the old name is not meant.
        add_link(&network, UPLINK).await;

        let notes = restore(&network, journal_in(folder.path())).await.unwrap();
        assert_eq!(notes, Vec::<String>::new());
        let observed = network.observe(&[]).await.unwrap();
        assert_eq!(observed.addresses_of("ens4"), before);
        assert_eq!(observed.addresses_of(UPLINK).len(), 1);
        assert_eq!(observed.proxies, []);
        assert_eq!(network.sysctl(&key("ens4", "accept_ra")).unwrap(), accept_ra);
        assert_eq!(network.sysctl(&key("ens4", "forwarding")).unwrap().as_deref(), Some("0"));
    });
}

#[test]
fn a_link_that_is_gone_is_noted_once() {
    in_namespace(async |network| {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = journal_in(folder.path());
        lend_the_last(&network, &mut journal).await;
        let index = network.index_of(UPLINK).await.unwrap();
        handle().link().del(index).execute().await.unwrap();
        let notes = restore(&network, journal).await.unwrap();
        assert_eq!(notes, ["ens3 is gone, and with it what was to be given back there"]);
    });
}

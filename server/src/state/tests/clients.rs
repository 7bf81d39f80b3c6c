use super::*;

#[test]
fn a_client_is_found_by_its_name_and_by_its_key() {
    let state = state();
    assert_eq!(state.client_by_name("laptop").unwrap().public_key, key(2));
    assert_eq!(state.client_by_key(&key(1)).unwrap().name, "desk");
    assert_eq!((state.client_by_name("tv"), state.client_by_key(&key(100))), (None, None));
}

#[test]
fn a_client_is_added_only_with_a_name_a_key_and_an_address_of_its_own() {
    let state = state();
    let add = |client: StoredClient| move |state: &mut State| state.add_client(client);
    assert_refused(&state, add(client("desk", 9)), "the name `desk` is taken: the client `desk` has it");
    assert_refused(&state, add(client("tv", 9)), "the name `tv` is taken: the invitation 00000001 has it");
    assert_refused(&state, add(client("My PC", 9)), "`My PC` is no client name");
    let new = client("new", 9);
    assert_refused(
        &state,
        add(StoredClient { public_key: key(2), ..new.clone() }),
        "the client `laptop` has it",
    );
    let public_key = invitation("tv", 1).public_key;
    assert_refused(&state, add(StoredClient { public_key, ..new.clone() }), "the invitation 00000001 has it");
    let public_key = PublicKey::from_bytes([0; 32]);
    assert_refused(&state, add(StoredClient { public_key, ..new.clone() }), "low order");
    for (number, holder) in [(1, "the client `desk`"), (100, "of server.toml")] {
        assert_refused(&state, add(StoredClient { address: address(number), ..new.clone() }), holder);
    }
    let mut state = state;
    for name in ["new", "laptop-2"] {
        let number = 10 + u16::try_from(name.len()).unwrap();
        state.add_client(client(name, number)).unwrap();
    }
    state.check().unwrap();
}

#[test]
fn a_name_is_free_again_when_its_invitation_has_expired_or_was_withdrawn() {
    let mut state = state();
    state.add_client(client("phone", 9)).unwrap();
    state.add_client(StoredClient { since: NOW + DAY, ..client("tv", 10) }).unwrap();
    state.check().unwrap();
}

#[test]
fn a_removed_client_leaves_no_endpoint_and_frees_its_address() {
    let mut state = state();
    assert_refused(&state, |state| state.remove_client("tv"), "there is no client `tv`");
    assert_eq!(state.remove_client("laptop").unwrap().public_key, key(2));
    assert_eq!(state.endpoints.len(), 1);
    state.add_client(StoredClient { address: address(2), ..client("laptop", 9) }).unwrap();
}

#[test]
fn a_client_is_renamed_to_a_free_name_only() {
    let mut state = state();
    assert_refused(&state, |state| state.rename_client("desk", "laptop", NOW), "the client `laptop`");
    assert_refused(&state, |state| state.rename_client("desk", "tv", NOW), "the invitation 00000001");
    assert_refused(&state, |state| state.rename_client("desk", "", NOW), "no client name");
    assert_refused(&state, |state| state.rename_client("disk", "new", NOW), "no client `disk`");
    state.rename_client("desk", "tv", NOW + DAY).unwrap();
    assert_eq!(state.client_by_key(&key(1)).unwrap().name, "tv");
}

#[test]
fn a_client_is_moved_to_a_free_address_only() {
    let mut state = state();
    for taken in [2, 100] {
        assert_refused(&state, |state| state.set_address("desk", address(taken)), "is taken");
    }
    assert_eq!(state.set_address("desk", address(1)), Ok(address(1)), "its own is free for it");
    assert_eq!(state.set_address("desk", address(5)), Ok(address(1)));
    assert_eq!(state.client_by_name("desk").unwrap().address, address(5));
}

#[test]
fn a_lease_is_of_one_address_and_ends_when_its_client_moves_here() {
    let mut state = state();
    assert_refused(&state, |state| state.set_lease(key(1), address(50)), "the client `desk`");
    assert_refused(&state, |state| state.set_lease(key(101), address(100)), "of server.toml");
    state.set_lease(key(100), address(50)).unwrap();
    assert_eq!(state.leases, [StoredLease { public_key: key(100), address: address(50) }]);
    let moved = StoredClient { public_key: key(100), address: address(50), ..client("moved", 1) };
    state.add_client(moved).unwrap();
    assert_eq!(state.leases, []);
}

#[test]
fn an_endpoint_is_news_once() {
    let mut state = state();
    let endpoint = "198.51.100.1:1".parse().unwrap();
    assert_eq!([(); 2].map(|()| state.set_endpoint(key(1), endpoint)), [true, false]);
    assert_eq!([(); 2].map(|()| state.set_endpoint(key(100), endpoint)), [true, false]);
    assert_eq!(state.endpoints.len(), 3);
}

#[test]
fn no_more_clients_leases_and_endpoints_are_taken_than_can_be() {
    let mut state = largest_state();
    state.check().unwrap();
    assert_refused(&state, |state| state.add_client(client("one-more", 9999)), "2000 clients");
    assert_refused(&state, |state| state.set_lease(key(77_777), address(9999)), "2000 clients");
    assert!(!state.set_endpoint(key(77_777), "192.0.2.1:1".parse().unwrap()));
    assert!(state.set_endpoint(key(1), "192.0.2.1:1".parse().unwrap()), "one that is known moves");
}

use super::*;

#[test]
fn an_invitation_is_open_until_its_first_end() {
    let state = state();
    let status = |number, now| state.invitation(id(number)).unwrap().status(now);
    assert_eq!(status(1, NOW + DAY - 1), InvitationStatus::Open);
    assert_eq!(status(1, NOW + DAY), InvitationStatus::Expired);
    for now in [NOW, NOW + 2 * DAY] {
        assert_eq!(status(2, now), InvitationStatus::Used);
        assert_eq!(status(3, now), InvitationStatus::Withdrawn);
    }
}

#[test]
fn an_invitation_enrols_its_client_under_its_name() {
    let mut state = state();
    let enrolled = state.use_invitation(id(1), key(5), psk(5), address(5), NOW + 1).unwrap().clone();
    let expected = StoredClient {
        name: "tv".to_owned(),
        preshared_key: Some(psk(5)),
        invitation: Some(id(1)),
        since: NOW + 1,
        ..client("tv", 5)
    };
    assert_eq!(enrolled, expected);
    assert_eq!(state.client_by_name("tv"), Some(&expected));
    state.check().unwrap();
}

#[test]
fn the_same_key_gets_the_same_answer_and_another_one_a_refusal() {
    let state = state();
    let answer = state.client_by_name("laptop").unwrap();
    let mut again = state.clone();
    let second = again.use_invitation(id(2), key(2), psk(77), address(77), NOW + 90 * DAY).unwrap();
    assert_eq!(second, answer, "also after it has expired");
    assert_eq!(again, state);
    let other = |state: &mut State| state.use_invitation(id(2), key(9), psk(9), address(9), NOW).cloned();
    assert_refused(&state, other, "the invitation 00000002 for `laptop` has been used already");
}

#[test]
fn a_client_that_was_removed_does_not_come_back_by_its_old_invitation() {
    let mut state = state();
    state.remove_client("laptop").unwrap();
    let again = |state: &mut State| state.use_invitation(id(2), key(2), psk(2), address(2), NOW).cloned();
    assert_refused(&state, again, "used already");
}

#[test]
fn an_invitation_that_has_ended_or_was_never_made_enrols_nobody() {
    let state = state();
    let enrol = |number, now| {
        move |state: &mut State| state.use_invitation(id(number), key(9), psk(9), address(9), now).cloned()
    };
    assert_refused(&state, enrol(1, NOW + DAY), "has expired");
    assert_refused(&state, enrol(3, NOW), "has been withdrawn");
    assert_refused(&state, enrol(4, NOW), "there is no invitation 00000004");
}

#[test]
fn an_enrolment_that_is_refused_leaves_the_invitation_open() {
    let mut state = state();
    let enrol = |public_key, number| {
        move |state: &mut State| {
            state.use_invitation(id(1), public_key, psk(9), address(number), NOW).cloned()
        }
    };
    assert_refused(&state, enrol(key(1), 9), "the client `desk` has it");
    assert_refused(&state, enrol(invitation("tv", 1).public_key, 9), "the invitation 00000001 has it");
    assert_refused(&state, enrol(PublicKey::from_bytes([0; 32]), 9), "low order");
    assert_refused(&state, enrol(key(9), 1), "the address 2001:db8::1 is taken");
    enrol(key(9), 9)(&mut state).unwrap();
}

#[test]
fn only_an_open_invitation_is_withdrawn() {
    let state = state();
    let withdraw = |number, now| move |state: &mut State| state.withdraw(id(number), now);
    assert_refused(&state, withdraw(1, NOW + DAY), "has expired");
    assert_refused(&state, withdraw(2, NOW), "used already");
    assert_refused(&state, withdraw(3, NOW), "has been withdrawn");
    assert_refused(&state, withdraw(4, NOW), "no invitation");
}

#[test]
fn an_invitation_is_made_for_a_free_name_only() {
    let state = state();
    let invite = |name, number| move |state: &mut State| state.open_invitation(invitation(name, number));
    assert_refused(&state, invite("desk", 9), "the client `desk` has it");
    assert_refused(&state, invite("tv", 9), "the invitation 00000001 has it");
    assert_refused(&state, invite("new", 1), "an invitation 00000001 already");
    let known = StoredInvitation { public_key: key(1), ..invitation("new", 9) };
    assert_refused(&state, |state| state.open_invitation(known), "the client `desk` has it");
    let mut open = largest_state();
    open.invitations
        .iter_mut()
        .for_each(|invitation| (invitation.end, invitation.expires) = (None, u64::MAX));
    assert_refused(&open, invite("new", 77_777), "1000 open invitations");
    let mut state = state;
    state.open_invitation(invitation("phone", 9)).unwrap();
}

#[test]
fn of_too_many_invitations_the_one_that_ended_first_gives_way() {
    let mut state = largest_state();
    let number = state.invitations.len();
    let ended = |at| Some(InvitationEnd::Withdrawn { at });
    state
        .invitations
        .iter_mut()
        .for_each(|invitation| (invitation.end, invitation.expires) = (None, u64::MAX));
    (state.invitations[7].end, state.invitations[9].end) = (ended(NOW - 2), ended(NOW - 5));
    let (stays, goes) = (state.invitations[7].id, state.invitations[9].id);
    state.open_invitation(invitation("new", 77_777)).unwrap();
    assert_eq!(state.invitations.len(), number);
    assert!(state.invitation(stays).is_some() && state.invitation(goes).is_none());
}

#[test]
fn an_invitation_is_forgotten_thirty_days_after_its_end() {
    let mut state = state();
    assert_eq!(state.prune(NOW + 30 * DAY), 0);
    assert_eq!(state.prune(NOW + 60 + 30 * DAY), 2, "used and withdrawn");
    assert_eq!(state.prune(NOW + 31 * DAY - 1), 0);
    assert_eq!(state.prune(NOW + 31 * DAY), 1, "expired");
    assert_eq!(state.clients.len(), 2);
}

#[test]
fn endpoints_of_keys_that_nobody_has_are_forgotten() {
    let mut state = state();
    for number in [100, 200] {
        state.set_endpoint(key(number), "192.0.2.9:9".parse().unwrap());
    }
    assert_eq!(state.prune(NOW), 1);
    assert!(state.endpoints.iter().all(|endpoint| endpoint.public_key != key(200)));
}

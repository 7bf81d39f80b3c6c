//! Enrolments at a real server's core, by UDP over the loopback.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Instant,
};

use tokio::{
    net::UdpSocket,
    time::{sleep_until, timeout},
};
use v6tun_cli::exit_code;
use v6tun_keys::{PresharedKey, PrivateKey, PublicKey, key_file};
use v6tun_proto::packet::Ecn;
use v6tun_proto::{
    ClientEntry, DatagramBatch, EnrolAnswer, EnrolRefusal, InvitationEntry, Outputs, PacketBatch,
    ServerConfig, ServerEvent, ServerTunnel,
    limits::{MIN_MTU, SLOT},
};

use super::*;

const NAME: &str = "pc";
/// Far in the future, in seconds since 1970-01-01 UTC.
const EXPIRES: u64 = 1 << 36;

/// What stands behind the server's core: it makes the first key that asks a client, and refuses others.
#[derive(Default)]
struct Desk {
    member: Option<(PublicKey, PresharedKey)>,
    requests: usize,
    /// Refuses everybody.
    refusal: Option<EnrolRefusal>,
    /// Enrols and does not say so, as if each answer were lost.
    is_mute: bool,
}

impl Desk {
    fn answer(&mut self, client: PublicKey) -> EnrolAnswer {
        self.requests += 1;
        if let Some(reason) = self.refusal {
            return EnrolAnswer::Refused(reason);
        }
        let new = || (client, PresharedKey::generate().unwrap());
        let (member, preshared_key) = self.member.get_or_insert_with(new);
        if *member != client {
            return EnrolAnswer::Refused(EnrolRefusal::AlreadyUsed);
        }
        EnrolAnswer::Enrolled { preshared_key: preshared_key.clone(), name: NAME.to_owned() }
    }
}

/// A server with one invitation.
struct Server {
    desk: Arc<Mutex<Desk>>,
    invitation: Invitation,
}

impl Server {
    async fn start() -> Self {
        Self::with_psk(None).await
    }

    /// `wrong_psk` is what the server has in place of the invitation's.
    async fn with_psk(wrong_psk: Option<PresharedKey>) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let private_key = PrivateKey::generate().unwrap();
        let endpoint = socket.local_addr().unwrap().to_string();
        let invitation = Invitation::new(&endpoint, private_key.public_key(), EXPIRES).unwrap();
        let identity = invitation.identity();
        let entry = InvitationEntry {
            public_key: identity.private_key.public_key(),
            preshared_key: wrong_psk.unwrap_or(identity.preshared_key),
        };
        let config = ServerConfig {
            private_key,
            clients: Vec::new(),
            endpoints: Vec::new(),
            invitations: vec![entry],
            mtu_ceiling: MIN_MTU,
            keepalive: v6tun_wire::KEEPALIVE,
            version: (0, 1, 0),
            seed: 1,
        };
        let desk = Arc::new(Mutex::new(Desk::default()));
        tokio::spawn(serve(socket, ServerTunnel::new(config, Instant::now()), desk.clone()));
        Self { desk, invitation }
    }

    fn desk(&self) -> std::sync::MutexGuard<'_, Desk> {
        self.desk.lock().unwrap()
    }
}

async fn serve(socket: UdpSocket, mut tunnel: ServerTunnel, desk: Arc<Mutex<Desk>>) {
    let (mut datagrams, mut packets) = (DatagramBatch::new(), PacketBatch::new());
    let mut received = [0; SLOT];
    loop {
        let due = tunnel.next_deadline().map(|deadline| deadline.at);
        let due = due.unwrap_or_else(|| Instant::now() + std::time::Duration::from_secs(1));
        let datagram = tokio::select! {
            datagram = socket.recv_from(&mut received) => datagram.ok(),
            () = sleep_until(due.into()) => None,
        };
        let out = &mut Outputs { to_network: &mut datagrams, to_tun: &mut packets };
        match datagram {
            Some((len, source)) => {
                tunnel.handle_datagram(source, &received[..len], Ecn::NotCapable, out, Instant::now())
            }
            None => tunnel.handle_timeout(out, Instant::now()),
        }
        while let Some(event) = tunnel.poll_event() {
            handle_event(event, &mut tunnel, &mut desk.lock().unwrap(), out);
        }
        for (destination, datagram) in datagrams.iter() {
            socket.send_to(datagram, destination).await.unwrap();
        }
        datagrams.clear();
        packets.clear();
    }
}

fn handle_event(event: ServerEvent, tunnel: &mut ServerTunnel, desk: &mut Desk, out: &mut Outputs<'_>) {
    let ServerEvent::EnrolRequested { visitor, client, .. } = event else { return };
    let answer = desk.answer(client);
    if let EnrolAnswer::Enrolled { preshared_key, name } = answer.clone() {
        let preshared_key = Some(preshared_key);
        let address = "2001:db8::2330".parse().unwrap();
        tunnel.add_client(ClientEntry { name, public_key: client, preshared_key, address });
    }
    if !desk.is_mute {
        tunnel.handle_enrol_answer(visitor, answer, out, Instant::now());
    }
}

/// A PC with a folder for its files.
struct Pc(tempfile::TempDir);

impl Pc {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn config(&self) -> PathBuf {
        self.file("client.toml")
    }

    async fn enrol(&self, invitation: &Invitation) -> Result<Enrolment> {
        enrol(invitation, &self.config(), Patience::start(Some(20))).await
    }

    /// What the user is told where it fails: exit status and text.
    async fn refusal(&self, invitation: &Invitation, seconds: u32) -> (u8, String) {
        let error =
            enrol(invitation, &self.config(), Patience::start(Some(seconds))).await.expect_err("must fail");
        let failure = error.downcast_ref::<Failure>().unwrap();
        assert!(failure.hint().is_some(), "{error:#}");
        (failure.exit_code(), format!("{error:#}"))
    }

    fn private_key(&self) -> PrivateKey {
        key_file::read_private_key(&self.file(KEY_FILE)).unwrap()
    }

    /// That its files are what the server wants.
    fn assert_is_member_of(&self, server: &Server) {
        let config = Config::load(&self.config()).unwrap();
        let (client, preshared_key) = server.desk().member.clone().unwrap();
        assert_eq!(config.private_key.public_key(), client);
        assert_eq!(config.preshared_key, Some(preshared_key));
        assert_eq!(config.endpoint.to_string(), server.invitation.endpoint);
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

fn new() -> Enrolment {
    Enrolment::New { name: NAME.to_owned() }
}

#[tokio::test]
async fn a_new_pc_is_enrolled_once_and_known_from_then_on() {
    let (server, pc) = (Server::start().await, Pc::new());
    assert_eq!(pc.enrol(&server.invitation).await.unwrap(), new());
    pc.assert_is_member_of(&server);
    assert_eq!(pc.names(), ["client.key", "client.psk", "client.toml"]);
    assert_eq!(pc.enrol(&server.invitation).await.unwrap(), Enrolment::Known);
    assert_eq!(server.desk().requests, 1);
}

#[cfg(unix)]
#[tokio::test]
async fn what_enrolment_writes_is_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let (server, pc) = (Server::start().await, Pc::new());
    pc.enrol(&server.invitation).await.unwrap();
    for name in pc.names() {
        assert_eq!(fs::metadata(pc.file(&name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
}

/// Each state that a crash can leave, as files that are gone again or half written.
#[tokio::test]
async fn whatever_a_crash_leaves_the_next_try_succeeds_with_the_same_key() {
    for (gone, half_written) in [
        (&["client.toml", "client.psk", "client.key"][..], Some("client.key.new")),
        (&["client.toml", "client.psk"], None),
        (&["client.toml", "client.psk"], Some("client.psk.new")),
        (&["client.toml"], None),
        (&["client.toml"], Some("client.toml.new")),
    ] {
        let (server, pc) = (Server::start().await, Pc::new());
        pc.enrol(&server.invitation).await.unwrap();
        if gone.contains(&KEY_FILE) {
            // Before the key is written the server has heard nothing.
            server.desk().member = None;
        }
        for name in gone {
            fs::remove_file(pc.file(name)).unwrap();
        }
        if let Some(name) = half_written {
            fs::write(pc.file(name), "half").unwrap();
        }
        assert_eq!(pc.enrol(&server.invitation).await.unwrap(), new(), "without {gone:?}");
        pc.assert_is_member_of(&server);
        assert_eq!(pc.names(), ["client.key", "client.psk", "client.toml"]);
    }
}

#[tokio::test]
async fn a_lost_answer_kills_nothing() {
    let (server, pc) = (Server::start().await, Pc::new());
    server.desk().is_mute = true;
    let (code, why) = pc.refusal(&server.invitation, 1).await;
    assert_eq!(code, exit_code::NOT_CONNECTED);
    assert!(why.contains("neither yes nor no"), "{why}");
    assert_eq!(pc.names(), ["client.key"]);
    let key = pc.private_key();
    server.desk().is_mute = false;
    assert_eq!(pc.enrol(&server.invitation).await.unwrap(), new());
    assert_eq!(pc.private_key().as_bytes(), key.as_bytes());
    pc.assert_is_member_of(&server);
}

#[tokio::test]
async fn a_used_invitation_is_refused_to_another_pc() {
    let (server, first, second) = (Server::start().await, Pc::new(), Pc::new());
    first.enrol(&server.invitation).await.unwrap();
    let (code, why) = second.refusal(&server.invitation, 20).await;
    assert_eq!(code, exit_code::FAILED);
    assert!(why.contains("already used"), "{why}");
    assert_eq!(second.names(), ["client.key"]);
    first.assert_is_member_of(&server);
}

#[tokio::test]
async fn each_refusal_is_told_within_three_seconds_and_leaves_no_configuration() {
    let (server, pc) = (Server::start().await, Pc::new());
    for reason in (1..8).map(EnrolRefusal::from) {
        server.desk().refusal = Some(reason);
        let refused = timeout(std::time::Duration::from_secs(3), pc.refusal(&server.invitation, 20));
        let (code, why) = refused.await.unwrap();
        assert_eq!(code, exit_code::FAILED);
        assert!(why.contains(&reason.to_string()), "{why}");
        assert_eq!(pc.names(), ["client.key"]);
    }
}

#[tokio::test]
async fn a_forged_invitation_is_told_apart_from_silence() {
    let server = Server::with_psk(Some(PresharedKey::generate().unwrap())).await;
    let (code, why) = Pc::new().refusal(&server.invitation, 20).await;
    assert_eq!(code, exit_code::FAILED);
    assert!(why.contains("forged"), "{why}");
    assert_eq!(server.desk().requests, 0);
}

#[tokio::test]
async fn a_server_that_is_silent_is_given_up_in_time() {
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let endpoint = silent.local_addr().unwrap().to_string();
    let server = PrivateKey::generate().unwrap().public_key();
    let invitation = Invitation::new(&endpoint, server, EXPIRES).unwrap();
    let (code, why) = Pc::new().refusal(&invitation, 1).await;
    assert_eq!(code, exit_code::NOT_CONNECTED);
    assert!(why.contains(&format!("no answer from {endpoint}")), "{why}");
}

#[tokio::test]
async fn a_configuration_for_another_server_stays_as_it_is() {
    let (server, other, pc) = (Server::start().await, Server::start().await, Pc::new());
    pc.enrol(&server.invitation).await.unwrap();
    let before = fs::read_to_string(pc.config()).unwrap();
    let (_, why) = pc.refusal(&other.invitation, 20).await;
    assert!(why.contains("client.toml is for another server"), "{why}");
    assert_eq!(fs::read_to_string(pc.config()).unwrap(), before);
    assert_eq!(other.desk().requests, 0);
}

#[tokio::test]
async fn a_pc_that_its_server_has_forgotten_enrols_anew_with_its_own_key_and_settings() {
    let (server, pc) = (Server::start().await, Pc::new());
    let key = PrivateKey::from_bytes([3; 32]);
    key_file::write_new(&pc.file("own.key"), &key.to_base64()).unwrap();
    let written = format!(
        "private-key-file = \"own.key\"\ninterface = \"six\"\nmtu = 1400\n[server]\npublic-key = \"{}\"\nendpoint = \"{}\"\n",
        server.invitation.server, server.invitation.endpoint
    );
    fs::write(pc.config(), written).unwrap();
    assert_eq!(pc.enrol(&server.invitation).await.unwrap(), new());
    pc.assert_is_member_of(&server);
    let config = Config::load(&pc.config()).unwrap();
    assert_eq!(config.private_key.as_bytes(), key.as_bytes());
    assert_eq!((config.interface.as_str(), config.mtu), ("six", Some(1400)));
}

#[cfg(unix)]
#[tokio::test]
async fn where_others_may_write_nothing_is_sent() {
    use std::os::unix::fs::PermissionsExt;
    let (server, pc) = (Server::start().await, Pc::new());
    fs::set_permissions(pc.0.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let (_, why) = pc.refusal(&server.invitation, 20).await;
    assert!(why.contains("others may write"), "{why}");
    assert_eq!(server.desk().requests, 0);
}

#[tokio::test]
async fn where_files_cannot_be_written_nothing_is_sent() {
    let (server, pc) = (Server::start().await, Pc::new());
    // A folder of that name cannot be replaced.
    fs::create_dir(pc.file("client.psk.new")).unwrap();
    let error = pc.enrol(&server.invitation).await.unwrap_err();
    assert!(error.to_string().contains("client.psk.new"), "{error:#}");
    assert_eq!((server.desk().requests, pc.names()), (0, vec!["client.psk.new".to_owned()]));
}

#[test]
fn a_dry_run_says_what_it_begins_with() {
    let pc = Pc::new();
    let server = PrivateKey::from_bytes([1; 32]).public_key();
    let invitation = Invitation::new("203.0.113.233:51820", server, EXPIRES).unwrap();
    let (note, config) = foresee(&invitation, &pc.config()).unwrap();
    assert!(note.starts_with("# enrols at 203.0.113.233:51820 first; writes "), "{note}");
    let endpoint: SocketAddr = "203.0.113.233:51820".parse().unwrap();
    assert_eq!(config.endpoint, Endpoint::Address(endpoint));
    assert!(pc.names().is_empty());
}

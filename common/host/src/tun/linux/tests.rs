use super::*;
use crate::limits::TUN_BUFFER_LEN;
use crate::tun::{Tun, TunError, own_namespace::in_own_namespace};

#[test]
fn a_new_device_is_down_and_silent() {
    in_own_namespace(|| {
        let tun = Tun::create("v6tun0").unwrap();
        assert_eq!(tun.name(), "v6tun0");
        let error = tun.read(&mut [0; TUN_BUFFER_LEN]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        let report = tun.write_batch(std::iter::once(&[0x60; 48][..]));
        assert_eq!(report, WriteReport { full: 0, refused: 1 }, "down, so it takes nothing");
    });
}

#[test]
fn a_name_in_use_is_reported_as_busy() {
    in_own_namespace(|| {
        let _first = Tun::create("v6tun0").unwrap();
        assert!(matches!(Tun::create("v6tun0"), Err(TunError::Device(DeviceError::Busy { .. }))));
    });
}

#[test]
fn a_name_of_another_kind_of_interface_is_reported_as_taken() {
    in_own_namespace(|| assert!(matches!(open("lo"), Err(DeviceError::NameTaken { .. }))));
}

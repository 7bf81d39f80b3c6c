//! The service manager of Windows.

use std::env;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use v6tun_cli::{Failure, RUN_ELEVATED};
use v6tun_host::windows_program::exchangeable_by;
use v6tun_wire::GlobalArgs;
use windows_service::service::{
    Service, ServiceAccess, ServiceAction, ServiceActionType, ServiceErrorControl, ServiceExitCode,
    ServiceFailureActions, ServiceFailureResetPeriod, ServiceInfo, ServiceStartType, ServiceState,
    ServiceStatus, ServiceType,
};
use windows_service::service_manager::{ServiceManager, ServiceManagerAccess};

use super::NAME;
use crate::service::windows_command_line;

const DISPLAY_NAME: &str = "v6tun client";
const DESCRIPTION: &str =
    "Gives this PC a global IPv6 address of a v6tun server, through a WireGuard tunnel over IPv4.";

/// How long Windows waits before it starts the service again: the first time, the second, and each one after it.
const RESTARTS: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(5), Duration::from_secs(60)];
/// After how long without a failure the next one is the first again.
const RESTARTS_FORGOTTEN: Duration = Duration::from_secs(3600);

/// How often a service that starts or stops is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Win32's numbers of what is no failure here.
const SERVICE_ALREADY_RUNNING: i32 = 1056;
const SERVICE_DOES_NOT_EXIST: i32 = 1060;
const SERVICE_NOT_ACTIVE: i32 = 1062;
const SERVICE_CANNOT_ACCEPT_CONTROL: i32 = 1061;
const SERVICE_MARKED_FOR_DELETE: i32 = 1072;
/// `ERROR_INVALID_LEVEL`: a setting that there is none of.
const INVALID_LEVEL: i32 = 124;

/// The service manager.
pub(super) struct Manager(ServiceManager);

/// What an installation has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Installed {
    /// There was no service.
    New,
    /// There was one with another command.
    Changed,
    /// There was one with this command.
    AsItWas,
}

/// A service that has ended when it should have run.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) exit_code: u32,
}

impl Manager {
    pub(super) fn open() -> Result<Self> {
        let access = ServiceManagerAccess::CONNECT | ServiceManagerAccess::CREATE_SERVICE;
        let manager = ServiceManager::local_computer(None::<&str>, access);
        manager.map(Self).map_err(|error| explain("use Windows' service manager", error))
    }

    /// Makes the service, or makes the one that is there what it should be.
    pub(super) fn install(&self, global: &GlobalArgs) -> Result<Installed> {
        let info = info(global)?;
        let access = ServiceAccess::CHANGE_CONFIG | ServiceAccess::START | ServiceAccess::QUERY_CONFIG;
        let failed = |error| explain("install the service", error);
        let Some(service) = self.find(access)? else {
            let service = self.0.create_service(&info, access).map_err(failed)?;
            configure(&service).map_err(failed)?;
            return Ok(Installed::New);
        };
        let command = |service: &Service| service.query_config().map(|config| config.executable_path);
        let before = command(&service).map_err(failed)?;
        service.change_config(&info).map_err(failed)?;
        configure(&service).map_err(failed)?;
        let is_same = command(&service).map_err(failed)? == before;
        Ok(if is_same { Installed::AsItWas } else { Installed::Changed })
    }

    /// Removes the service; returns whether there was one. Windows itself waits until nobody looks at it.
    pub(super) fn delete(&self) -> Result<bool> {
        let Some(service) = self.find(ServiceAccess::DELETE)? else { return Ok(false) };
        match service.delete() {
            Err(error) if code(&error) != Some(SERVICE_MARKED_FOR_DELETE) => {
                Err(explain("remove the service", error))
            }
            _ => Ok(true),
        }
    }

    /// Starts it; returns how it ended if it did so at once.
    pub(super) fn start(&self, patience: Duration) -> Result<Option<Ended>> {
        let service = self.find(ServiceAccess::START | ServiceAccess::QUERY_STATUS)?.ok_or_else(none)?;
        match service.start(&[] as &[OsString]) {
            Err(error) if code(&error) != Some(SERVICE_ALREADY_RUNNING) => {
                return Err(explain("start the service", error));
            }
            _ => {}
        }
        let is_settled = |status: &ServiceStatus| !matches!(status.current_state, ServiceState::StartPending);
        let status = wait_until(&service, patience, is_settled)?;
        Ok(match status.current_state {
            ServiceState::Stopped | ServiceState::StopPending => {
                Some(Ended { exit_code: exit_code(status.exit_code) })
            }
            _ => None,
        })
    }

    /// Stops it, and waits until it has; returns whether it ran.
    pub(super) fn stop(&self, patience: Duration) -> Result<bool> {
        let Some(service) = self.find(ServiceAccess::STOP | ServiceAccess::QUERY_STATUS)? else {
            return Ok(false);
        };
        let deadline = Instant::now() + patience;
        loop {
            match service.stop() {
                Ok(_) => break,
                Err(error) => match code(&error) {
                    Some(SERVICE_NOT_ACTIVE) => return Ok(false),
                    // It is starting or stopping.
                    Some(SERVICE_CANNOT_ACCEPT_CONTROL) if Instant::now() < deadline => thread::sleep(LOOK),
                    _ => return Err(explain("stop the service", error)),
                },
            }
        }
        let is_stopped = |status: &ServiceStatus| status.current_state == ServiceState::Stopped;
        let status = wait_until(&service, patience, is_stopped)?;
        if is_stopped(&status) {
            return Ok(true);
        }
        let what = format!("the service has not stopped after {} seconds", patience.as_secs());
        Err(Failure::failed(what).with_hint("end it in the Task Manager, then `v6tun-client down`").into())
    }

    fn find(&self, access: ServiceAccess) -> Result<Option<Service>> {
        match self.0.open_service(NAME, access) {
            Err(error) if code(&error) == Some(SERVICE_DOES_NOT_EXIST) => Ok(None),
            found => found.map(Some).map_err(|error| explain("use the service", error)),
        }
    }
}

/// Whether that process is the service's.
pub(super) fn has_process(id: u32) -> bool {
    let status = || {
        let manager = ServiceManager::local_computer(None::<&str>, ServiceManagerAccess::CONNECT)?;
        manager.open_service(NAME, ServiceAccess::QUERY_STATUS)?.query_status()
    };
    status().is_ok_and(|status| status.process_id == Some(id))
}

/// The library quotes the path and each of the arguments.
fn info(global: &GlobalArgs) -> Result<ServiceInfo> {
    Ok(ServiceInfo {
        name: NAME.into(),
        display_name: DISPLAY_NAME.into(),
        service_type: ServiceType::OWN_PROCESS,
        start_type: ServiceStartType::AutoStart,
        error_control: ServiceErrorControl::Normal,
        executable_path: program()?,
        launch_arguments: windows_command_line::arguments(global).context("cannot name a folder")?,
        dependencies: Vec::new(),
        // LocalSystem, which adapters and routes are made by.
        account_name: None,
        account_password: None,
    })
}

fn program() -> Result<PathBuf> {
    let program = env::current_exe().context("cannot find this program's own path")?;
    windows_command_line::require_quotable(&program)?;
    if let Some(other) = exchangeable_by(&program).context("cannot tell who may write to this program")? {
        let what = format!("cannot make a service of {}: {other} could exchange it", program.display());
        let hint = r"copy its folder to C:\Program Files\v6tun, and install it from there";
        return Err(Failure::failed(what).with_hint(hint).into());
    }
    Ok(program)
}

fn configure(service: &Service) -> windows_service::Result<()> {
    service.set_description(DESCRIPTION)?;
    unless_unknown("a start that waits for others", service.set_delayed_auto_start(true))?;
    let restart = |delay| ServiceAction { action_type: ServiceActionType::Restart, delay };
    let restarts = service.update_failure_actions(ServiceFailureActions {
        reset_period: ServiceFailureResetPeriod::After(RESTARTS_FORGOTTEN),
        reboot_msg: None,
        command: None,
        actions: Some(RESTARTS.map(restart).into()),
    });
    unless_unknown("restarts", restarts)?;
    // An end with an error is a failure as well as a crash.
    unless_unknown("restarts after an error", service.set_failure_actions_on_non_crash_failures(true))
}

/// A setting that this Windows does not have is no reason to have no service.
fn unless_unknown(what: &str, outcome: windows_service::Result<()>) -> windows_service::Result<()> {
    match outcome {
        Err(error) if code(&error) == Some(INVALID_LEVEL) => {
            tracing::warn!("this Windows knows no {what} for services");
            Ok(())
        }
        outcome => outcome,
    }
}

/// The first status that is as wanted, or the last one when the time is over.
fn wait_until(
    service: &Service,
    patience: Duration,
    is_wanted: impl Fn(&ServiceStatus) -> bool,
) -> Result<ServiceStatus> {
    let deadline = Instant::now() + patience;
    loop {
        let status = service.query_status().map_err(|error| explain("ask for the service's state", error))?;
        if is_wanted(&status) || Instant::now() >= deadline {
            return Ok(status);
        }
        thread::sleep(LOOK);
    }
}

fn exit_code(exit_code: ServiceExitCode) -> u32 {
    match exit_code {
        ServiceExitCode::Win32(code) | ServiceExitCode::ServiceSpecific(code) => code,
    }
}

fn none() -> anyhow::Error {
    Failure::failed("no service is installed").with_hint("`v6tun-client install` installs it").into()
}

fn code(error: &windows_service::Error) -> Option<i32> {
    match error {
        windows_service::Error::Winapi(error) => error.raw_os_error(),
        _ => None,
    }
}

fn explain(what: &str, error: windows_service::Error) -> anyhow::Error {
    let cause = match error {
        windows_service::Error::Winapi(cause) => cause,
        other => io::Error::other(other),
    };
    let failure = Failure::failed(format!("cannot {what}"));
    let failure = match cause.kind() {
        io::ErrorKind::PermissionDenied => failure.with_hint(RUN_ELEVATED),
        _ => failure,
    };
    anyhow::Error::from(cause).context(failure)
}

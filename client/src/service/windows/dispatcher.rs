//! The process that Windows starts: `up`, with the service manager in the place of a console.

use std::ffi::OsString;
use std::panic;
use std::process::ExitCode;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::Parser as _;
use v6tun_cli::{Failure, error_report, exit_code, logging};
use v6tun_host::directory::ensure_private_dir;
use v6tun_host::windows_event_log::{Event, report};
use v6tun_host::{paths, power, signal};
use v6tun_wire::{GlobalArgs, OrFail as _};
use windows_service::define_windows_service;
use windows_service::service::{
    PowerEventParam, ServiceControl, ServiceControlAccept, ServiceExitCode, ServiceState, ServiceStatus,
    ServiceType,
};
use windows_service::service_control_handler::{self, ServiceControlHandlerResult, ServiceStatusHandle};
use windows_service::service_dispatcher;

use super::{NAME, PATIENCE, log_path};
use crate::service::windows_log_file::LogFile;
use crate::{ROLE, args::Args};

/// After which time a service that still looks for its server counts as one that runs: Windows lets nobody stop it
/// before.
const STARTING: Duration = Duration::from_secs(5);

/// How long Windows is to wait for the next state.
const WAIT_HINT: Duration = PATIENCE;

/// `ERROR_FAILED_SERVICE_CONTROLLER_CONNECT`.
const NOT_STARTED_BY_WINDOWS: i32 = 1063;

/// What the command line said: Windows calls the service without it.
static GLOBAL: OnceLock<GlobalArgs> = OnceLock::new();

/// What Windows has been told last, while this process is the service.
static TOLD: Mutex<Option<Told>> = Mutex::new(None);

struct Told {
    handle: ServiceStatusHandle,
    state: ServiceState,
}

define_windows_service!(service_main, main);

/// Becomes the service, until it has ended.
pub(super) fn run(global: &GlobalArgs) -> ExitCode {
    GLOBAL.get_or_init(|| global.clone());
    match service_dispatcher::start(NAME, service_main) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => error_report::report(ROLE.program, &explain(error)),
    }
}

fn explain(error: windows_service::Error) -> anyhow::Error {
    match error {
        windows_service::Error::Winapi(error) if error.raw_os_error() == Some(NOT_STARTED_BY_WINDOWS) => {
            let failure = Failure::usage("this command is for Windows' service manager alone");
            failure.with_hint("`v6tun-client start` starts the service").into()
        }
        error => anyhow::Error::from(error).context("cannot become the service"),
    }
}

/// Called by Windows, on a thread of its own.
fn main(_arguments: Vec<OsString>) {
    let handle = match service_control_handler::register(NAME, handle_control) {
        Ok(handle) => handle,
        Err(error) => return report(Event::Failed, &format!("the service is told nothing: {error}")),
    };
    *told() = Some(Told { handle, state: ServiceState::Stopped });
    tell(ServiceState::StartPending, 0);
    let outcome = log_to_file().and_then(|args| {
        thread::spawn(|| {
            thread::sleep(STARTING);
            tell_ready();
        });
        crate::run(&args)
    });
    let exit_code = match outcome {
        Ok(_) => {
            report(Event::Stopped, "The v6tun client has stopped; this PC is as it was found.");
            0
        }
        Err(error) => {
            let failure = error_report::as_failure(&error);
            let hint = failure.hint().map(|hint| format!("; hint: {hint}")).unwrap_or_default();
            tracing::error!("{failure}{hint}");
            report(Event::Failed, &format!("The v6tun client has ended: {failure}{hint}"));
            // What is wrong with the configuration is so after a restart, too: Windows makes none after no error.
            if failure.exit_code() == exit_code::USAGE { 0 } else { u32::from(failure.exit_code()) }
        }
    };
    tell(ServiceState::Stopped, exit_code);
}

/// Begins the log; returns the command that the service is.
fn log_to_file() -> Result<Args> {
    let global = GLOBAL.get().context("the service was not started by its own command")?;
    ensure_private_dir(&paths::log_dir()).or_failed()?;
    let path = log_path();
    let log = LogFile::open(&path).with_context(|| format!("cannot write {}", path.display()))?;
    logging::init_with(log, global.verbose, global.quiet);
    panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
    let mut args = Args::try_parse_from([ROLE.program, "up"])?;
    args.global = global.clone();
    Ok(args)
}

/// What Windows asks the service for.
fn handle_control(control: ServiceControl) -> ServiceControlHandlerResult {
    match control {
        ServiceControl::Interrogate => {}
        ServiceControl::Stop | ServiceControl::Shutdown => {
            tell(ServiceState::StopPending, 0);
            signal::request_own_stop();
        }
        ServiceControl::PowerEvent(
            PowerEventParam::ResumeAutomatic
            | PowerEventParam::ResumeSuspend
            | PowerEventParam::ResumeCritical,
        ) => power::report_resumed(),
        ServiceControl::PowerEvent(_) => {}
        _ => return ServiceControlHandlerResult::NotImplemented,
    }
    ServiceControlHandlerResult::NoError
}

/// Says that the client has all that it needs of this PC, if it is the service. It may be long until the server answers.
pub(crate) fn tell_ready() {
    let is_starting = told().as_ref().is_some_and(|told| matches!(told.state, ServiceState::StartPending));
    if is_starting && tell(ServiceState::Running, 0) {
        report(Event::Started, "The v6tun client has started.");
    }
}

/// Whether somebody reads what is said: not if this process is the service.
pub(crate) fn has_console() -> bool {
    told().is_none()
}

/// Tells Windows a state, unless one further on has been told; returns whether it has.
fn tell(state: ServiceState, exit_code: u32) -> bool {
    let mut told = told();
    let Some(told) = told.as_mut() else { return false };
    if rank(state) <= rank(told.state) && told.state != ServiceState::Stopped {
        return false;
    }
    told.state = state;
    if let Err(error) = told.handle.set_service_status(status(state, exit_code)) {
        tracing::warn!(%error, ?state, "Windows is not told the service's state");
    }
    true
}

/// The states in the order in which they are told.
fn rank(state: ServiceState) -> u8 {
    match state {
        ServiceState::StartPending => 1,
        ServiceState::Running => 2,
        ServiceState::StopPending => 3,
        _ => 4,
    }
}

fn status(state: ServiceState, exit_code: u32) -> ServiceStatus {
    use ServiceControlAccept as Accept;
    let is_pending = matches!(state, ServiceState::StartPending | ServiceState::StopPending);
    ServiceStatus {
        service_type: ServiceType::OWN_PROCESS,
        current_state: state,
        controls_accepted: match state {
            ServiceState::Running => Accept::STOP | Accept::SHUTDOWN | Accept::POWER_EVENT,
            _ => Accept::empty(),
        },
        exit_code: match exit_code {
            0 => ServiceExitCode::NO_ERROR,
            code => ServiceExitCode::ServiceSpecific(code),
        },
        checkpoint: u32::from(is_pending),
        wait_hint: if is_pending { WAIT_HINT } else { Duration::ZERO },
        process_id: None,
    }
}

fn told() -> std::sync::MutexGuard<'static, Option<Told>> {
    TOLD.lock().unwrap_or_else(PoisonError::into_inner)
}
